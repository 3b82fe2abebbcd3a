import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ask } from '../gateway/raw-wire.js';
import { startGateway } from '../gateway-process.js';
import { encke } from './encke.js';
import './no-settings.js';
import { isOneSentence } from './usage-error.js';

const folder = t.testdir();
const file = join(folder, 'friends.txt');

function sorted(path: string): string[] {
  return readFileSync(path, 'utf8').trim().split('\n').sort();
}

t.test('encke graph generate: a scale-free graph, the same for the same seed', async (t) => {
  const args = ['graph', 'generate', '--users', '3000', '--edges', '5'];
  t.match(await encke([...args, '--seed', '7', file]), { code: 0, stdout: '' });
  const edges = sorted(file).map((line) => line.split(' ').map(Number));
  t.equal(edges.length, 0 + 1 + 2 + 3 + 4 + 5 * 2995);
  t.equal(new Set(edges.map(String)).size, edges.length, 'each once');
  t.ok(edges.every(([a, b]) => a! > b! && b! >= 1 && a! <= 3000));
  const followers = new Map<number, number>();
  for (const [, b] of edges) followers.set(b!, (followers.get(b!) ?? 0) + 1);
  const most = Math.max(...followers.values());
  t.ok(most > 60, `one has ${most} followers, where the mean is 5`);
  const same = await encke([...args, '--seed', '7', '-']);
  t.equal(same.stdout, readFileSync(file, 'utf8'));
  const other = await encke([...args, '--seed', '8', '-']);
  t.not(other.stdout, same.stdout);
  const nowhere = await encke([...args, join(folder, 'no', 'folder')]);
  t.equal(nowhere.code, 1);
  isOneSentence(t, 'no folder', nowhere, 'ENOENT');
});

t.test('encke graph import and export', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const graph = (...args: string[]) => encke(['graph', args[0]!, '--url', gateway.apiUrl, ...args.slice(1)]);

  t.test('a file goes in, and comes out again', async (t) => {
    const lines = sorted(file);
    t.match(await graph('import', file), {
      code: 0,
      stdout: `{"added":${lines.length},"unchanged":0,"bad":0}\n`,
    });
    t.notOk(existsSync(`${file}.import`));
    const out = join(folder, 'out.txt');
    t.match(await graph('export', out), { code: 0 });
    t.same(sorted(out), lines);
    t.match(await graph('import', file), { stdout: /"added":0,"unchanged":\d+/ }, 'again adds nothing');
  });

  t.test('lines of all kinds; bad ones are named', async (t) => {
    const odd = join(folder, 'odd.txt');
    writeFileSync(
      odd,
      '# a comment\r\n\nuser/1\tuser/2\r\nonly-one\na b c\n{"subscriber":"with space","subscribee":"x"}\nself self\na b',
    );
    const outcome = await graph('import', odd);
    t.match(outcome, { code: 1, stdout: '{"added":3,"unchanged":0,"bad":3}\n' });
    for (const part of [
      'line 4: not two ids',
      'line 5: not two ids',
      'line 7: An id cannot follow itself',
      'the last line has no end',
      'a b',
    ])
      t.match(outcome.stderr, part);
    const out = join(folder, 'odd-out.txt');
    await graph('export', out);
    t.ok(sorted(out).includes('{"subscriber":"with space","subscribee":"x"}'));
  });

  t.test('an import that was interrupted goes on where it stopped', async (t) => {
    const long = join(folder, 'long.txt');
    const lines = Array.from({ length: 50_000 }, (_, n) => `${n} long/${n % 100}\n`);
    writeFileSync(long, lines.join(''));
    const token = 'a-token-of-the-test';
    const guarded = await startGateway({ flags: ['--api-token', token] });
    t.teardown(() => guarded.kill());
    const refused = await encke(['graph', 'import', '--url', guarded.apiUrl, long]);
    t.equal(refused.code, 1);
    isOneSentence(t, '401', refused, 'Authorization');
    t.match(await encke(['graph', 'import', '--url', guarded.apiUrl, '--token', token, long]), { code: 0 });

    t.match(await graph('import', long), { code: 0 });
    const { size, mtimeMs: modifiedMs } = (await import('node:fs')).statSync(long);
    const bytes = lines.slice(0, 40_000).join('').length;
    const place = { url: gateway.apiUrl, size, modifiedMs, bytes, lines: 40_000 };
    writeFileSync(`${long}.import`, JSON.stringify(place));
    const resumed = await graph('import', long);
    t.match(resumed, { code: 0, stdout: '{"added":0,"unchanged":10000,"bad":0}\n', stderr: /line 40001/ });
    writeFileSync(`${long}.import`, JSON.stringify({ ...place, size: size - 1 }));
    t.match(await graph('import', long), { stdout: /"unchanged":50000/ }, 'another file begins at its start');
    writeFileSync(`${long}.import`, JSON.stringify(place));
    t.match(await graph('import', '--from-start', long), { stdout: /"unchanged":50000/ });
  });

  t.test('no such file, no such server', async (t) => {
    const missing = await graph('import', join(folder, 'missing.txt'));
    t.equal(missing.code, 1);
    isOneSentence(t, 'missing', missing, 'ENOENT');
    const away = await encke(['graph', 'import', '--url', 'http://127.0.0.1:1', file]);
    t.equal(away.code, 1);
    isOneSentence(t, 'away', away, 'encke start');
    const out = await encke(['graph', 'export', '--url', 'http://127.0.0.1:1', '-']);
    t.equal(out.code, 1);
    isOneSentence(t, 'away', out, 'encke start');
  });

  t.test('encke send --followers', async (t) => {
    await ask(gateway.apiPort, '/graph', {
      method: 'POST',
      body: '{"subscriber":"me","subscribee":"you"}\n',
    });
    const sent = await encke(['send', '--url', gateway.apiUrl, '--followers', 'you', 'Hello']);
    t.match(sent, { code: 0, stdout: '{"delivered":0}\n' });
    t.equal((await encke(['send', '--followers', '--redis', 'redis://127.0.0.1:1', 'you', 'x'])).code, 2);
  });
});
