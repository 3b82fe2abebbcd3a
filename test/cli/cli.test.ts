import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ConfigError, readConfig } from '../../gateway/config.js';
import { ask, openStream, Wire } from '../gateway/raw-wire.js';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { cleanEnvironment, command, encke, type Outcome, type Surroundings } from './encke.js';

for (const name of Object.keys(process.env)) if (name.startsWith('ENCKE_')) delete process.env[name];

const dir = mkdtempSync(join(tmpdir(), 'encke-cli-'));
t.teardown(() => rmSync(dir, { recursive: true }));
let files = 0;

function configFile(content: unknown): string {
  const path = join(dir, `config-${files++}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const top = await encke(['--help']);
const commands = [...top.stdout.matchAll(/^ {2}([a-z]+) /gm)]
  .map((match) => match[1]!)
  .filter((name) => name !== 'help');

/** A usage error: exit code 2, nothing on stdout, and on stderr a sentence that names what is wrong. */
function isUsageError(t: Test, what: string, outcome: Outcome, ...names: (string | RegExp)[]): void {
  t.equal(outcome.code, 2, `${what}: exit code 2`);
  t.equal(outcome.stdout, '', `${what}: nothing on stdout`);
  isOneSentence(t, what, outcome, ...names);
}

/** A sentence, and at most two more short lines that say where to read on. */
function isOneSentence(t: Test, what: string, { stderr }: Outcome, ...names: (string | RegExp)[]): void {
  const lines = stderr.trimEnd().split('\n');
  t.match(lines[0], /^(error|encke [a-z]+): \S.{10,}/, `${what}: a sentence, ${JSON.stringify(stderr)}`);
  for (const line of lines.slice(1)) t.match(line, /^\(Did you mean |^Run .* --help/, `${what}: and no more`);
  t.ok(lines.length <= 3, `${what}: in a few lines`);
  t.notMatch(stderr, /\n\s+at |node:|undefined|\[object|\{"level"/, `${what}: no stack, no log`);
  for (const name of names) t.match(stderr, name, `${what}: names what is wrong`);
}

/** `encke start` that is expected to stop by itself. */
function start(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  return encke(['start', '--port', '0', '--api-port', '0', ...args], { timeoutMs: 8000, ...surroundings });
}

/** Most of the time goes into starting processes; two at once keep two cores busy. */
async function inTurn<Case>(cases: readonly Case[], one: (each: Case) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < cases.length) await one(cases[next++]!);
  };
  await Promise.all([lane(), lane()]);
}

t.test('--help lists the commands, and each of them has a help that reads well', async (t) => {
  t.equal(top.code, 0);
  t.ok(commands.includes('start') && commands.includes('send'), commands.join(', '));
  await inTurn(commands, async (command) => {
    const { code, stdout, stderr } = await encke([command, '--help']);
    t.equal(code, 0, command);
    t.equal(stderr, '');
    t.match(stdout, new RegExp(`^Usage: encke ${command} `));
    t.match(stdout, /^Examples?:\n {2}(#|encke )/m, `${command} shows an example`);
    t.notMatch(stdout, /undefined|\[object|\(default: *\)|NaN/);
    const options = stdout.split('\nOptions:\n')[1]!.split('\n\n')[0]!;
    for (const line of options.split('\n')) {
      if (/^ {2}-/.test(line))
        t.match(line, /^ {2}(-\w, )?--[a-z0-9-]+( [<[]\S+[>\]])? {2,}\S/, 'each flag is described');
      t.ok(line.length <= 110, `${line.length} columns`);
    }
  });
  t.equal((await encke(['help', 'send'])).stdout, (await encke(['send', '--help'])).stdout);
});

t.test(
  'the help of start names for each flag its default, its variable, and the words it takes',
  async (t) => {
    const help = (await encke(['start', '--help'])).stdout.replace(/\n {20,}/g, ' ');
    const flags = [...help.matchAll(/^ {2}--([a-z-]+) <value> .*$/gm)];
    t.ok(flags.length > 15, `${flags.length} flags`);
    for (const [line, flag] of flags) t.match(line, `env: ENCKE_${flag!.toUpperCase().replaceAll('-', '_')}`);
    const lineOf = (flag: string) => flags.find((match) => match[1] === flag)![0];
    for (const word of ['disconnect', 'drop-newest', 'drop-oldest'])
      t.match(lineOf('slow-consumer-policy'), word);
    for (const word of ['warn', 'debug', 'silent']) t.match(lineOf('log-level'), word);
    t.match(lineOf('port'), '8000');
    t.match(lineOf('api-port'), '8001');
  },
);

t.test('--version says which one it is', async (t) => {
  const { code, stdout } = await encke(['--version']);
  t.equal(code, 0);
  t.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

t.test('an unknown command, and none at all, are usage errors', async (t) => {
  isUsageError(t, 'unknown', await encke(['strat']), 'strat');
  const none = await encke([]);
  t.equal(none.code, 2);
  t.match(none.stderr, 'Usage: encke');
});

t.test('an unknown flag is a usage error of every command', async (t) => {
  await inTurn(commands, async (command) => {
    isUsageError(
      t,
      command,
      await encke([command, '--no-such-flag']),
      '--no-such-flag',
      `encke ${command} --help`,
    );
  });
  isUsageError(t, 'a typing error', await encke(['start', '--prot', '9000']), '--prot', '--port');
});

t.test('a missing value, a missing argument and one too many are usage errors', async (t) => {
  const cases: [args: string[], name: string][] = [
    [['start', '--port'], '--port'],
    [['start', 'now'], 'too many arguments'],
    [['send'], 'id'],
    [['send', '123'], 'message'],
    [['send', '123', 'Hello', 'World'], 'too many arguments'],
  ];
  await inTurn(cases, async ([args, name]) => isUsageError(t, args.join(' '), await encke(args), name));
});

const badValues: [flag: string, value: string][] = [
  ['port', 'abc'],
  ['port', '65536'],
  ['port', '80.5'],
  ['api-port', '1e3'],
  ['heartbeat-sec', '45s'],
  ['id-bytes-max', '0'],
  ['body-timeout-sec', '8'],
  ['pending-bytes-max', '1MB'],
  ['log-level', 'loud'],
  ['slow-consumer-policy', 'drop'],
  ['api-allow-origin', 'example.com'],
  ['api-allow-origin', 'https://example.com/page'],
  ['host', ' '],
];

t.test('a bad value of a flag, or of its variable, is a usage error that says what is wanted', async (t) => {
  await inTurn([...badValues.entries()], async ([n, [flag, value]]) => {
    const variable = `ENCKE_${flag.toUpperCase().replaceAll('-', '_')}`;
    const byFlag = n % 2 === 0;
    const outcome = byFlag
      ? await start([`--${flag}`, value])
      : await encke(['start'], { environment: { [variable]: value }, timeoutMs: 8000 });
    const origin = byFlag ? `--${flag} must be` : `${variable} (environment) must be`;
    isUsageError(t, `${origin}, not ${value}`, outcome, origin, JSON.stringify(value));
  });
  isUsageError(t, '--port -1', await encke(['start', '--port', '-1']), '--port');
  isUsageError(t, 'both ports the same', await start(['--port', '9999', '--api-port', '9999']), '9999');
});

t.test('bad values of the other commands are usage errors, too', async (t) => {
  const cases: [command: string, flag: string, value: string, ...more: string[]][] = [
    ['send', '--url', 'nonsense', '123', 'Hello'],
    ['send', '--url', 'ftp://127.0.0.1', '123', 'Hello'],
    ['msggen', '--rate', '-5'],
    ['msggen', '--until', 'tomorrow'],
    ['floodtest', '--connections', '1.5'],
    ['floodtest', '--transport', 'carrier-pigeon'],
    ['charts', '--format', 'gif', 'run.csv'],
  ];
  await inTurn(cases, async ([command, flag, value, ...more]) => {
    if (!commands.includes(command)) return;
    const outcome = await encke([command, flag, value, ...more], { timeoutMs: 8000 });
    isUsageError(t, `${command} ${flag} ${value}`, outcome, flag, value);
  });
});

t.test('a config file that cannot be used is a usage error that names it', async (t) => {
  const cases: [what: string, path: string, ...names: (string | RegExp)[]][] = [
    ['that is not there', join(dir, 'nowhere.json'), 'nowhere.json', 'ENOENT'],
    ['that is a directory', dir, dir, 'EISDIR'],
    ['that is empty', configFile(''), 'not JSON'],
    ['that is not JSON', configFile('port: 9000'), 'not JSON'],
    ['that is cut short', configFile('{"port": 9000'), 'not JSON'],
    ['that is an array', configFile([]), 'one JSON object'],
    ['that is a text', configFile('"port"'), 'one JSON object'],
    ['that is null', configFile('null'), 'one JSON object'],
    ['with an unknown key', configFile({ prot: 9000 }), '"prot"', 'port'],
    ['with a flag for a key', configFile({ 'api-port': 9000 }), '"api-port"', 'apiPort'],
    ['with a key that every object has', configFile({ constructor: 1 }), '"constructor"'],
    ['with another one', configFile('{"toString": 1}'), '"toString"'],
    ['with the prototype for a key', configFile('{"__proto__": {"port": 1}}'), '"__proto__"'],
    ['with a word for a number', configFile({ idBytesMax: 'many' }), '"idBytesMax"', '"many"'],
    ['with a fraction', configFile({ idBytesMax: 1.5 }), '"idBytesMax"', '1.5'],
    ['with null', configFile({ idBytesMax: null }), '"idBytesMax"', 'null'],
    ['with a number for a word', configFile({ logLevel: 30 }), '"logLevel"', '30'],
    ['with a bad origin', configFile({ apiAllowOrigin: ['example.com'] }), '"apiAllowOrigin"', 'example.com'],
  ];
  for (const [what, path, ...names] of cases) {
    for (const name of [path, ...names])
      t.match(problemOf(path), name, `a file ${what}: names what is wrong`);
  }
  const asProcesses = ['that is not there', 'that is not JSON', 'that is an array', 'with an unknown key'];
  await inTurn(
    cases.filter(([what]) => asProcesses.includes(what)),
    async ([what, path, ...names]) => {
      isUsageError(t, `a file ${what}`, await start(['--config', path]), path, ...names);
    },
  );
  const byVariable = await start([], { environment: { ENCKE_CONFIG: join(dir, 'gone.json') } });
  isUsageError(t, 'ENCKE_CONFIG', byVariable, 'gone.json');
});

/** What the reader of the configuration says of this file; nothing when it takes it. */
function problemOf(file: string, flags: Record<string, unknown> = {}): string {
  try {
    readConfig({ file, flags, environment: {} });
    return '';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}

/** The longest id that this gateway takes. */
async function longestId(gateway: GatewayProcess): Promise<number> {
  let longest = 0;
  for (const length of [10, 20, 30, 40, 1024]) {
    if ((await ask(gateway.apiPort, `/ids/${'x'.repeat(length)}`)).status === 200) longest = length;
  }
  return longest;
}

t.test('a flag wins over the environment, that over the file, and that over the default', async (t) => {
  const file = ['--config', configFile({ idBytesMax: 10, apiAllowOrigin: ['https://file.example'] })];
  const environment = { ENCKE_ID_BYTES_MAX: '20' };
  const elsewhere = configFile({ idBytesMax: 40 });
  const cases: [what: string, flags: string[], environment: Record<string, string>, longest: number][] = [
    ['nothing said', [], {}, 1024],
    ['a file named in the environment', [], { ENCKE_CONFIG: elsewhere }, 40],
    ['a file named by a flag and in the environment', file, { ENCKE_CONFIG: elsewhere }, 10],
    ['the environment over the file', file, environment, 20],
    ['an empty variable is none', file, { ENCKE_ID_BYTES_MAX: '' }, 10],
    ['a flag over all of them', [...file, '--id-bytes-max', '30'], environment, 30],
  ];
  await inTurn(cases, async ([what, flags, environment, longest]) => {
    const gateway = await startGateway({ flags, environment });
    t.equal(await longestId(gateway), longest, what);
    await gateway.kill();
  });
});

t.test('a list is comma-separated in flag and variable, and an array in the file', async (t) => {
  const both = ['https://a.example', 'https://b.example'];
  const file = configFile({ apiAllowOrigin: both });
  t.same(readConfig({ file }).apiAllowOrigin, both);
  t.same(readConfig({ flags: { apiAllowOrigin: both.join() } }).apiAllowOrigin, both);
  const gateway = await startGateway({ environment: { ENCKE_API_ALLOW_ORIGIN: both.join() } });
  t.teardown(() => gateway.kill());
  for (const [origin, status] of [
    ['https://a.example', 200],
    ['https://b.example', 200],
    ['https://c.example', 403],
  ] as const) {
    t.equal((await ask(gateway.apiPort, '/stats', { headers: { Origin: origin } })).status, status);
  }
});

t.test('a taken port stops the start with a sentence that names it, and exit code 1', async (t) => {
  const first = await startGateway();
  t.teardown(() => first.kill());
  for (const [flag, taken] of [
    ['--port', first.port],
    ['--api-port', first.apiPort],
    ['--port', first.apiPort],
  ] as const) {
    const outcome = await start([flag, String(taken)]);
    t.equal(outcome.code, 1);
    t.equal(outcome.stdout, '', 'it does not say that it is up');
    isOneSentence(t, `${flag} ${taken}`, outcome, `:${taken}`, 'taken', flag);
  }
  const elsewhere = await start(['--host', '198.51.100.1', '--mqtt', 'false']); // of nobody: RFC 5737
  t.equal(elsewhere.code, 1);
  isOneSentence(t, 'an address of another machine', elsewhere, '198.51.100.1');
});

t.test('the API binds to more than loopback only with a token', async (t) => {
  isUsageError(t, 'by flag', await start(['--api-host', '0.0.0.0']), '0.0.0.0', '--api-token');
  const environment = { ENCKE_API_HOST: '0.0.0.0' };
  isUsageError(t, 'by variable', await start([], { environment }), '0.0.0.0', '--api-token');
  const file = configFile({ apiHost: '0.0.0.0' });
  isUsageError(t, 'by file', await start(['--config', file]), '0.0.0.0', '--api-token');
  for (const apiHost of ['::', '192.0.2.1', '127.0.0.1.example.com', '127.0.0.1@example.com', '10.0.0.1']) {
    t.match(problemOf(configFile({ apiHost })), /--api-token/, apiHost);
  }
  for (const apiHost of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) {
    t.equal(problemOf(configFile({ apiHost })), '', `${apiHost} is loopback`);
  }
  const token = 'a-token-for-everybody';
  const open = await startGateway({ flags: ['--api-host', '0.0.0.0', '--api-token', token] });
  t.equal((await ask(open.apiPort, '/stats')).status, 401);
  const headers = { Authorization: `Bearer ${token}` };
  t.equal((await ask(open.apiPort, '/stats', { headers })).status, 200);
  await open.kill();
});

const secret = 'correct-horse-battery-staple';

t.test('a token is never printed, however wrong it is', async (t) => {
  const files: [what: string, content: unknown, ...parts: string[]][] = [
    ['too short', { apiToken: 'hunter2' }, 'hunter2'],
    ['with spaces', { apiToken: `${secret} ${secret}` }, 'horse'],
    ['in a list', { apiToken: ['hunter2'] }, 'hunter2'],
    ['without quotes', `{"apiToken": ${secret}}`, 'correct', 'horse'],
    ['with a comma too many', `{"apiToken": "${secret}",}`, 'staple'],
    ['with a quote too few', `{"apiToken": "${secret}}`, 'correct', 'staple'],
    ['in the wrong quotes', `{"apiToken": '${secret}'}`, 'correct'],
    ['by itself', secret, 'correct', 'horse', 'staple'],
  ];
  for (const [what, content, ...parts] of files) {
    const problem = problemOf(configFile(content));
    t.not(problem, '', `a token ${what} is refused`);
    for (const part of parts) t.notMatch(problem, part, `a token ${what} is not shown`);
  }
  const byFlag = await start(['--api-token', 'hunter2']);
  isUsageError(t, 'a token too short', byFlag, '--api-token');
  const byVariable = await start([], { environment: { ENCKE_API_TOKEN: 'hunter2' } });
  isUsageError(t, 'a variable too short', byVariable, 'ENCKE_API_TOKEN');
  const help = await encke(['start', '--help'], { environment: { ENCKE_API_TOKEN: secret } });
  for (const { stdout, stderr } of [byFlag, byVariable]) t.notMatch(stdout + stderr, 'hunter2');
  t.notMatch(help.stdout, secret);
});

t.test('a token is never printed while it is in use', async (t) => {
  const gateway = await startGateway({ flags: ['--api-token', secret, '--log-level', 'debug'] });
  t.teardown(() => gateway.kill());
  let said = '';
  gateway.child.stdout!.on('data', (text) => {
    said += text;
  });
  const url = ['--url', gateway.apiUrl];
  const good = await encke(['send', ...url, '--token', secret, '123', 'Hello']);
  t.equal(good.stdout, '{"delivered":0}\n');
  const byVariable = await encke(['send', ...url, '123', 'Hello'], {
    environment: { ENCKE_API_TOKEN: secret },
  });
  t.equal(byVariable.stdout, '{"delivered":0}\n');
  const without = await encke(['send', ...url, '123', 'Hello']);
  t.equal(without.code, 1);
  isOneSentence(t, 'without a token', without, '401');
  const wrong = await encke(['send', ...url, '--token', `${secret}x`, '123', 'Hello']);
  t.equal(wrong.code, 1);
  isOneSentence(t, 'a wrong token', wrong, '401');
  const outcomes = [good, byVariable, without, wrong];
  if (commands.includes('msggen')) {
    const args = ['--messages', '2', '--interval', '1', '--json', '--token'];
    outcomes.push(await encke(['msggen', ...url, ...args, secret]));
    t.equal(outcomes.at(-1)!.code, 0);
    outcomes.push(await encke(['msggen', ...url, ...args, `${secret}x`]));
    t.not(outcomes.at(-1)!.code, 0);
  }
  for (const { stdout, stderr } of outcomes) t.notMatch(stdout + stderr, secret);
  for (const path of ['/', '/numbers', '/test']) t.notMatch((await ask(gateway.port, path)).text, secret);
  await gateway.kill('SIGTERM');
  t.notMatch(said + gateway.log, secret);
});

t.test('encke send', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.kill());
  const send = (args: string[], surroundings: Surroundings = {}) =>
    encke(['send', '--url', gateway.apiUrl, ...args], surroundings);

  t.test('hands a message over and says how many got it', async (t) => {
    const page = await openStream(gateway.port, '/test/123');
    const outcome = await send(['123', 'Hello World']);
    t.same(outcome, { code: 0, stdout: '{"delivered":1}\n', stderr: '' });
    await page.saw("Recvd msg #1: 'Hello World'<br/>");
    t.match(await send(['nobody', 'Hello']), { code: 0, stdout: '{"delivered":0}\n' });
    const environment = { ENCKE_API_URL: gateway.apiUrl };
    t.match(await encke(['send', '123', 'again'], { environment }), { stdout: '{"delivered":1}\n' });
    await page.close();
  });

  t.test('takes an id as it is: slashes, spaces, dots, not ASCII', async (t) => {
    for (const id of ['room/7/chat', '/a//b/', 'a b?c=d&e%20f', 'Größe/日本', '..', 'a/../b', '-x']) {
      const path = encodeURIComponent(id).replaceAll('.', '%2E'); // or else it is clipped before it is sent
      const stream = await Wire.open(gateway.port);
      stream.ask(`/stream?id=${path}`);
      await stream.saw('\n');
      const outcome = await send(['--', id, `to ${id}`]);
      t.same(outcome, { code: 0, stdout: '{"delivered":1}\n', stderr: '' }, id);
      await stream.close();
    }
  });

  t.test('reads the message from standard input', async (t) => {
    const stream = await openStream(gateway.port, '/stream/stdin');
    t.match(await send(['stdin', '-'], { stdin: 'from a pipe\n' }), { code: 0, stdout: '{"delivered":1}\n' });
    await stream.saw('"data":"from a pipe\\n"');
    t.match(await send(['stdin', '-'], { stdin: Buffer.from([0, 255, 254]) }), { code: 0 });
    await stream.saw('"data":"AP/+","encoding":"base64"');
    t.match(await send(['stdin', '-'], { stdin: '' }), { code: 0, stdout: '{"delivered":1}\n' });
    await stream.saw('"data":""');
    await stream.close();
  });

  t.test('says what the server has against it', async (t) => {
    for (const [id, message, ...names] of [
      ['a/+', 'x', '400', 'wildcards'],
      ['', 'x', '400', 'at least one character'],
      ['a', 'x'.repeat(70_000), '413', '65536'],
    ] as const) {
      const outcome = await send([id, message]);
      t.equal(outcome.code, 1);
      t.equal(outcome.stdout, '');
      isOneSentence(t, `${id} ${message.length}`, outcome, ...names);
    }
  });

  t.test('says that the server is away, where it looked, and what to do', async (t) => {
    const closed = await startGateway();
    await closed.kill();
    const outcome = await encke(['send', '--url', closed.apiUrl, '123', 'Hello']);
    t.equal(outcome.code, 1);
    isOneSentence(t, 'away', outcome, closed.apiUrl, 'ECONNREFUSED', 'encke start', '--url');
    const nowhere = await encke(['send', '--url', 'http://nowhere.invalid:8001', '123', 'Hello']);
    t.equal(nowhere.code, 1);
    isOneSentence(t, 'no such host', nowhere, 'nowhere.invalid');
  });
});

t.test('start says where it listens and what to try, and that is true', async (t) => {
  const args = [...command.slice(1), 'start', '--port', '0', '--api-port', '0'];
  const child = spawn(command[0], args, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  for await (const text of child.stdout) {
    said += text;
    if (/curl .*\n/.test(said)) break;
  }
  const page = new URL(/Open +(http\S+\/test\/123)/.exec(said)![1]!);
  const [, text, url] = /curl -d '(.*)' (http\S+)/.exec(said)!;
  const stream = await openStream(Number(page.port), page.pathname);
  const response = await fetch(url!, { method: 'POST', body: text! });
  t.equal(await response.text(), '{"delivered":1}');
  await stream.saw(`Recvd msg #1: '${text}'`);
  await stream.close();
});
