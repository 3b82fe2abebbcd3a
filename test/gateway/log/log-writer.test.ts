import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { targetOf } from '../../../gateway/log/log-target.js';
import { LogWriter } from '../../../gateway/log/log-writer.js';
import { until } from '../../until.js';
import { NamedPipe } from './named-pipe.js';

/** Log lines that cannot be written, on real descriptors. */

function pipeOf(t: Test): NamedPipe {
  const pipe = new NamedPipe();
  t.teardown(() => pipe.close());
  return pipe;
}

function writerOf(fd: number, pendingBytesMax = 4096) {
  const writer: LogWriter = new LogWriter(targetOf(fd), pendingBytesMax, (lines, error) =>
    writer.write(`dropped ${lines} ${error}\n`),
  );
  return writer;
}

const line = (number: number) => `${number} ${'.'.repeat(97)}\n`.slice(-100);

t.test('lines go out in order, at once', async (t) => {
  const pipe = pipeOf(t);
  const writer = writerOf(pipe.writeEnd);
  writer.write('one\n');
  writer.write('two\n');
  t.equal(pipe.read(), 'one\ntwo\n');
  t.equal(writer.pendingBytes, 0);
});

t.test(
  'waiting lines are bounded in bytes, and dropped ones are counted and reported where they are missing',
  async (t) => {
    const pipe = pipeOf(t);
    const writer = writerOf(pipe.writeEnd);
    pipe.fill();
    const kept = 40;
    for (let number = 0; number < 100; number++)
      writer.write(`${String(number).padStart(4)}${'ü'.repeat(47)}.\n`);
    t.equal(writer.pendingBytes, 100 * kept);
    t.equal(writer.droppedLines, 60);
    pipe.read();
    await until('it goes on', () => writer.pendingBytes === 0);
    writer.write('after\n');
    const lines = pipe.read().trimEnd().split('\n');
    t.equal(lines.length, kept + 2);
    t.match(lines[0], /^ {3}0ü/);
    t.match(lines[kept - 1], /^ {2}39ü/);
    t.same(lines.slice(kept), ['dropped 60 EAGAIN', 'after']);
    t.equal(writer.droppedLines, 60, 'since the start');
  },
);

t.test('lines of several processes in one pipe are not torn', async (t) => {
  const pipe = pipeOf(t);
  const writers = [writerOf(pipe.writeEnd, 1_000_000), writerOf(pipe.writeEnd, 1_000_000)];
  pipe.fill();
  for (let number = 0; number < 2_000; number++) for (const writer of writers) writer.write(line(number));
  let said = pipe.read();
  await until('all is written', () => {
    said += pipe.read();
    return writers.every(({ pendingBytes }) => pendingBytes === 0);
  });
  said += pipe.read();
  const lines = said.replace(/^\.+/, '').trimEnd().split('\n');
  t.equal(lines.length, 4_000);
  t.equal(lines.filter((text) => text.length !== 99).length, 0);
});

t.test('a line that is larger than all that may wait is dropped', async (t) => {
  const pipe = pipeOf(t);
  const writer = writerOf(pipe.writeEnd);
  writer.write(`${'x'.repeat(4096)}\n`);
  t.equal(writer.droppedLines, 1);
  writer.write('next\n');
  t.equal(pipe.read(), 'next\ndropped 1 more at once than may wait\n');
});

t.test('a device that is full: it is tried again each second, and the process goes on', async (t) => {
  const full = openSync('/dev/full', 'w');
  t.teardown(() => closeSync(full));
  const writer = writerOf(full);
  for (let number = 0; number < 50; number++) writer.write(line(number));
  t.equal(writer.droppedLines, 10);
  const startedMs = performance.now();
  await writer.flushed(5_000);
  writer.flushAtExit(5_000);
  t.ok(performance.now() - startedMs < 1_000, 'an exit does not wait for it');
});

t.test('a pipe whose reader comes back', async (t) => {
  const pipe = pipeOf(t);
  const writer = writerOf(pipe.writeEnd);
  pipe.closeReader();
  for (let number = 0; number < 50; number++) writer.write(line(number));
  await turn();
  t.equal(writer.droppedLines, 10);
  pipe.openReader();
  await until('it goes on', () => writer.pendingBytes === 0);
  t.match(pipe.read(), 'dropped 10 EPIPE');
});

t.test('a flush at the exit waits for a slow reader, and no longer than it may', async (t) => {
  const pipe = pipeOf(t);
  const writer = writerOf(pipe.writeEnd);
  pipe.fill();
  writer.write('last\n');
  const startedMs = performance.now();
  writer.flushAtExit(200);
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs >= 200 && tookMs < 1_000, `${tookMs} ms`);
  pipe.read();
  writer.flushAtExit(200);
  t.equal(pipe.read(), 'last\n');
});

t.test('a file gets its lines in order, those of the exit, too', async (t) => {
  const path = join(t.testdir(), 'encke.log');
  writeFileSync(path, 'before\n');
  const file = openSync(path, 'a');
  t.teardown(() => closeSync(file));
  const writer = writerOf(file, 1_000_000);
  for (let number = 0; number < 2_000; number++) writer.write(line(number));
  await writer.flushed(5_000);
  writer.write('last\n');
  writer.flushAtExit(1_000);
  await until('the last is there', () => readFileSync(path, 'utf8').endsWith('last\n'));
  const expected = ['before\n', ...Array.from({ length: 2_000 }, (_, number) => line(number)), 'last\n'].join(
    '',
  );
  t.equal(readFileSync(path, 'utf8'), expected);
});
