import t from 'tap';
import { Csv } from '../../charts/csv.js';
import { ChartInputError } from '../../charts/input-error.js';

const inputError = (message: RegExp) => ({ constructor: ChartInputError, message });

t.test('columns are numbers, and an empty field is unknown', async (t) => {
  const csv = new Csv('a,b\n1,2.5\n,-3e2\n', 'x.csv');
  t.same(csv.columnNames, ['a', 'b']);
  t.same(csv.numbers('a'), [1, Number.NaN]);
  t.same(csv.numbers('b'), [2.5, -300]);
  t.equal(csv.rowsTotal, 2);
});

t.test('a byte order mark, CRLF, quotes and empty lines are read over', async (t) => {
  const csv = new Csv('\uFEFF"a","b, of c"\r\n"1",2\r\n\r\n3,"4"\r\n', 'x.csv');
  t.same(csv.columnNames, ['a', 'b, of c']);
  t.same(csv.numbers('b, of c'), [2, 4]);
});

t.test('a last line that was cut off is left out, and said so', async (t) => {
  const csv = new Csv('a,b\n1,2\n3', 'x.csv');
  t.same(csv.numbers('a'), [1]);
  t.same(csv.notes, ['x.csv stops in the middle of line 3; that line is left out.']);
});

t.test('a last line without its end may be cut inside its last number', async (t) => {
  const text = 'a,b\n1,200\n2,21';
  t.same(new Csv(text, 'x.csv').numbers('b'), [200, 21], 'kept in a file that people write');
  const recorded = new Csv(text, 'x.csv', { everyLineEnds: true });
  t.same(recorded.numbers('b'), [200], 'left out where every line is written with its end');
  t.equal(recorded.notes.length, 1);
});

t.test('text in a column is refused only when the column is asked for', async (t) => {
  const csv = new Csv('name,bytes\nidle,1\nbusy,2\n', 'x.csv');
  t.same(csv.numbers('bytes'), [1, 2]);
  t.throws(() => csv.numbers('name'), inputError(/^x\.csv, line 2: "idle" in column "name" is not a number/));
});

t.test('a recording that cannot be drawn gives a sentence that names the place', async (t) => {
  t.throws(() => new Csv('', 'x.csv'), inputError(/^x\.csv is empty/));
  t.throws(() => new Csv('a,b\n', 'x.csv'), inputError(/^x\.csv has no rows/));
  t.throws(() => new Csv('a,b\n1', 'x.csv'), inputError(/^x\.csv has no rows/), 'only half a row');
  t.throws(() => new Csv('a,a\n1,2\n', 'x.csv'), inputError(/names the column "a" twice/));
  t.throws(() => new Csv('a,b\n1,2\n3\n4,5\n', 'x.csv'), inputError(/line 3: 1 fields .* 2 columns/));
  t.throws(() => new Csv('a,b\n1,2\n', 'x.csv').numbers('c'), inputError(/no column "c"; it has a, b\./));
});
