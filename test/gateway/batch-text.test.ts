import t from 'tap';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';
import { until } from '../until.js';
import { ask, batchOf, openStream } from './raw-wire.js';

oneProcessFile('what a body is read as; nothing crosses but what other files have');

/** Encodings of a batch, and answers to a batch without a message. */

const gateway = await startGateway({ flags: ['--heartbeat-sec', '0', '--log-level', 'warn'] });
t.teardown(() => gateway.kill());
const { port, apiPort } = gateway;

const post = (body: string | Uint8Array, query = '') =>
  ask(apiPort, `/send${query}`, { method: 'POST', body });

t.test('a byte order mark is no part of a line: at the start, and where files were joined', async (t) => {
  const stream = await openStream(port, '/stream/bom');
  const line = (data: string) => `{"id":"bom","data":"${data}"}\n`;
  const answer = await post(
    `\ufeff${line('first')}\ufeff${line('second')}${line('\ufeffin data')}\ufeff\r\n`,
  );
  t.equal(answer.status, 200);
  t.same(answer.json, { messages: 3, delivered: 3, bad: 0, errors: [] });
  await stream.saw('in data');
  const got = stream.text
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text).data);
  t.same(got, ['first', 'second', '\ufeffin data']);
  const twice = await post(`\ufeff\ufeff${line('two marks')}`);
  t.equal(twice.status, 400, 'two are not text');
  await stream.close();
});

t.test('half of a surrogate pair in data is refused, and never delivered as U+FFFD', async (t) => {
  const stream = await openStream(port, '/stream/half');
  const halves = ['"\\ud800"', '"\\udfff"', '"a\\ud83d"', '"\\ude80b"', '"\\ude80\\ud83d"'];
  const lines = [...halves, '"\\ud83d\\ude80"', '"\\ufffd"'].map((data) => `{"id":"half","data":${data}}`);
  const { messages, bad, errors } = (await post(lines.join('\n'))).json;
  t.same({ messages, bad }, { messages: 2, bad: halves.length });
  for (const { error } of errors) t.match(error, /surrogate/);
  await stream.saw('\ufffd');
  await until('the line is whole', () => stream.text.endsWith('\n'));
  t.match(
    JSON.parse(stream.text.trim().split('\n')[0]!),
    { data: '\u{1f680}' },
    'a whole pair is a character',
  );
  await stream.close();
});

t.test('a batch without a single message is 400, whether its sender waits for counts or not', async (t) => {
  const before = (await gateway.stats()).apiErrors['400'] ?? 0;
  for (const query of ['', '?wait=0']) {
    const answer = await post('not json\n\n{"id":"x"}\n', query);
    t.equal(answer.status, 400, query);
    t.match(answer.json, {
      messages: 0,
      bad: 2,
      errors: [{ line: 1 }, { line: 3 }],
      error: /nothing was sent/,
    });
  }
  const many = await post('bad\n'.repeat(12_000));
  t.equal(many.status, 400, 'one that takes several turns of the loop, too');
  t.match(many.json, { messages: 0, bad: 12_000 });
  t.equal((await gateway.stats()).apiErrors['400'] - before, 3, 'and is counted');
  t.equal((await post(`bad\n${batchOf([{ id: 'x', data: 'y' }])}`)).status, 200, 'one good line is enough');
  t.equal((await post('\n\r\n')).status, 200, 'nothing is not bad');
});
