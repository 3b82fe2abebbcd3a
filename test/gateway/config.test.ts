import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { ConfigError, environmentNameOf, flagOf, readConfig } from '../../gateway/config.js';
import { encke } from '../cli/encke.js';
import { oneProcessFile } from '../one-process.js';

oneProcessFile('settings are read without a server');

/** Settings that cannot work stop the start with a sentence, and not a client later on without one. */

/** The error of readConfig; '' if the settings are accepted. */
function problemOf(
  flags: Record<string, string>,
  environment: NodeJS.ProcessEnv = {},
  file?: string,
): string {
  try {
    readConfig({ flags, environment, file });
    return '';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}

async function starts(t: Test, args: string[], ...names: (string | RegExp)[]): Promise<void> {
  const outcome = await encke(['start', '--port', '0', '--api-port', '0', ...args]);
  t.equal(outcome.code, 2, args.join(' '));
  t.match(outcome.stderr, /^encke start: [^\n]+\.\n$/, 'one sentence');
  for (const name of names) t.match(outcome.stderr, name);
}

t.test('a filter of --mqtt-auto-subscribe that is none stops the start', async (t) => {
  for (const filter of ['a#', 'a/#/b', 'a+', 'inbox/$c+', '$share/g/inbox/$c', `${'x/'.repeat(32)}x`])
    await starts(
      t,
      ['--mqtt-auto-subscribe', `${filter}=1`],
      '--mqtt-auto-subscribe',
      filter,
      /topic filter/,
    );
});

t.test('history rules that history cannot keep are refused with a sentence', async (t) => {
  for (const rule of ['a/#/b 10 60', 'a+ 10 60', '# 9999999 60', '# 10 0'])
    t.throws(
      () => readConfig({ flags: { historyRules: `first 1 1;${rule}` } }),
      {
        name: 'ConfigError',
        message: /^--history-rules cannot be used: .+\.$/,
      },
      rule,
    );
});

t.test('a filter of a rule of --mqtt-rewrite that is none stops the start', async (t) => {
  for (const filter of ['a#', 'a/#/b', 'a+/b'])
    await starts(t, ['--mqtt-rewrite', `all ${filter} ^x$ y`], '--mqtt-rewrite', filter, /topic filter/);
  await starts(t, ['--mqtt-rewrite', 'all a/# ( y'], '--mqtt-rewrite', /regular expression/);
});

t.test('a path of MQTT where the gateway has other things stops the start', async (t) => {
  for (const mqttPath of ['/test', '/events/mqtt', '/demo/mqtt'])
    t.match(problemOf({ mqttPath }), /--mqtt-path .* choose a path/, mqttPath);
  for (const mqttPath of ['/', '/mqtt', '/ws', '/testing']) t.equal(problemOf({ mqttPath }), '');
});

t.test('a frame that does not hold one packet stops the start', async (t) => {
  t.match(problemOf({ mqttMaxFrameSize: '65540' }), /--mqtt-max-frame-size 65540.*at least 65541/);
  for (const mqttMaxFrameSize of ['65541', '0']) t.equal(problemOf({ mqttMaxFrameSize }), '');
});

t.test('a head of requests that does not hold one id with its cursor stops the start', async (t) => {
  t.match(
    problemOf({ requestHeadBytesMax: '4096' }),
    /--request-head-bytes-max 4096 .* --id-bytes-max 1024.* at least 4145, or --id-bytes-max at most 1007\./,
  );
  for (const settings of [
    { requestHeadBytesMax: '4145' },
    { requestHeadBytesMax: '4096', idBytesMax: '1007' },
    { requestHeadBytesMax: '262144', idBytesMax: '65535' },
  ])
    t.equal(problemOf(settings), '');
  t.match(problemOf({ requestHeadBytesMax: '1024', idBytesMax: '1' }), /at least 1076\.$/);
});

t.test('a low watermark over the high one stops the start', async (t) => {
  t.match(
    problemOf({ mqttMqueueLowWatermark: '0.7' }),
    /--mqtt-mqueue-low-watermark 0\.7.*high-watermark 0\.6/,
  );
  t.equal(problemOf({ mqttMqueueLowWatermark: '0.6' }), '');
});

t.test('two listeners on one address have two ports', async (t) => {
  const same: [flags: Record<string, string>, names: RegExp][] = [
    [{ port: '9000', apiPort: '9000' }, /--port and --api-port are both 9000/],
    [{ port: '9000', mqttPort: '9000' }, /--port and --mqtt-port are both 9000/],
    [{ mqttPort: '9000', apiPort: '9000' }, /--mqtt-port and --api-port are both 9000/],
    [{ mqttPort: '8000' }, /--port and --mqtt-port are both 8000/],
    [{ mqttPort: '8001' }, /--mqtt-port and --api-port are both 8001/],
  ];
  for (const [flags, expected] of same) t.match(problemOf(flags), expected);
  t.equal(problemOf({ port: '0', apiPort: '0', mqttPort: '0' }), '', 'a free one is another each time');
  t.equal(problemOf({ mqttPort: '8001', apiHost: '127.0.0.2' }), '', 'on another address it may be the same');
});

t.test('--mqtt-port without MQTT stops the start', async (t) => {
  t.match(problemOf({ mqtt: 'false', mqttPort: '8083' }), /--mqtt is false.*--mqtt-port 8083/);
});

t.test('names that would not fit into a topic are no settings', async (t) => {
  t.match(problemOf({ mqttMaxClientIdLength: '16385' }), /--mqtt-max-client-id-length must be/);
  t.equal(problemOf({ mqttMaxClientIdLength: '16384' }), '');
  t.match(problemOf({ nodeName: 'n'.repeat(65) }), /--node-name must be/);
  t.equal(problemOf({ nodeName: 'n'.repeat(64) }), '');
});

t.test('with --engine redis a name is the beginning of the names of functions', async (t) => {
  for (const [name, other] of [
    ['my-shop', 'my_shop'],
    ['1shop', 'shop'],
    ['x'.repeat(33), 'x'.repeat(32)],
  ] as const) {
    t.match(problemOf({ name, engine: 'redis' }), `--name ${name} with --engine redis`);
    t.match(problemOf({ name, engine: 'redis' }), `take ${other}, on all nodes`);
    t.equal(problemOf({ name }), '', 'a single node has no functions');
  }
  t.equal(problemOf({ name: 'shop_2', engine: 'redis' }), '');
});

t.test('a node among others has a name of its own, or the one that it was given', async (t) => {
  const nameOf = (flags: Record<string, string>) =>
    readConfig({ flags: { engine: 'redis', ...flags } }).nodeName;
  t.match(nameOf({ port: '8123' }), /-8123$/);
  t.match(nameOf({ port: '0', apiPort: '0' }), new RegExp(`-${process.pid}$`));
  t.equal(nameOf({ nodeName: 'encke' }), 'encke', 'be it the default of a node that is alone');
  t.equal(readConfig({}).nodeName, 'encke');
});

t.test('a variable that begins with ENCKE_ and names no setting stops the start', async (t) => {
  for (const name of [
    'ENCKE_PROT',
    'ENCKE_APIPORT',
    'ENCKE_',
    'ENCKE_api_port',
    'ENCKE_MQTT_MAX_CLIENTID_LENGTH',
  ]) {
    const outcome = await encke(['start'], { environment: { [name]: 'hunter2' } });
    t.equal(outcome.code, 2, name);
    t.match(
      outcome.stderr,
      new RegExp(
        `^encke start: Unknown variable ${name} in the environment( \\(did you mean ENCKE_[A-Z_]+\\?\\))?: [^\\n]+\\n$`,
      ),
    );
    t.notMatch(outcome.stderr, 'hunter2', 'it may be a token');
  }
  t.equal(problemOf({}, { ENCKE_PROT: '', OTHER_PROT: 'x' }), '', 'an empty one is none');
});

t.test('settings of the engine on NATS stop the start with what says the same now', async (t) => {
  const gone = [
    ['nats', 'nats://user:hunter2@127.0.0.1:4222', /set --engine redis and --redis redis:/],
    ['natsCreds', 'node.creds', /--redis-user and --redis-password-file/],
    ['natsToken', 'hunter2', /--redis-password-file/],
    ['natsCaFile', 'ca.pem', /--redis-ca-file/],
    ['natsCertFile', 'node.pem', /--redis-cert-file/],
    ['natsKeyFile', 'node-key.pem', /--redis-key-file/],
    ['natsPendingBytesMax', '1048576', /--redis-pending-bytes-max/],
    ['historyReplicas', '3', /--redis, and replicas of that server/],
  ] as const;
  for (const [key, value, successor] of gone) {
    const file = join(t.testdir({ 'encke.json': JSON.stringify({ [key]: value }) }), 'encke.json');
    const variable = environmentNameOf(key);
    const said = [
      [flagOf(key), problemOf({ [key]: value })],
      [`${variable} (environment)`, problemOf({}, { [variable]: value })],
      [`"${key}" in ${file}`, problemOf({}, {}, file)],
    ] as const;
    for (const [origin, problem] of said) {
      t.ok(problem.startsWith(`${origin} was of the engine on NATS, which is gone: set `), problem);
      t.match(problem, successor);
      t.notMatch(problem, 'hunter2');
    }
  }
  for (const command of ['start', 'gateway', 'router']) {
    const { code, stdout, stderr } = await encke([
      command,
      '--engine',
      'nats',
      '--nats',
      'nats://127.0.0.1:4222',
    ]);
    t.match([code, stdout], [2, '']);
    t.match(
      stderr,
      new RegExp(`^encke ${command}: --nats was of the engine on NATS, [^\\n]+--redis redis:[^\\n]+\\.\\n$`),
    );
  }
  await starts(t, ['--engine', 'nats'], /--engine "nats" is gone: set --engine redis and --redis redis:/);
  t.match(problemOf({}, { ENCKE_ENGINE: 'nats' }), /ENCKE_ENGINE .*"nats" is gone/);
  t.match(problemOf({ engine: 'mats' }), /--engine must be one of embedded, redis, not "mats"/);
  t.notMatch((await encke(['start', '--help'])).stdout, /nats/i, 'the help does not speak of it');
  for (const [command, ...rest] of [
    ['send', '123', 'x'],
    ['msggen', '--messages', '1'],
  ]) {
    const url = 'nats://user:hunter2@127.0.0.1:4222';
    const { code, stderr } = await encke([command!, '--nats', url, ...rest]);
    t.equal(code, 2);
    t.match(stderr, /^error: --nats was of the engine on NATS, which is gone: use --redis\.\n/, command!);
    t.notMatch(stderr, 'hunter2');
  }
});

t.test('--redis with the engine that uses no Redis stops the start', async (t) => {
  const redis = 'redis://127.0.0.1:6379';
  const sentence =
    /^(--redis|ENCKE_REDIS \(environment\)|"redis" in .*) is set, but .* add --engine redis, or leave /;
  const file = join(t.testdir({ 'encke.json': JSON.stringify({ redis: [redis] }) }), 'encke.json');
  t.match(problemOf({ redis }), sentence, 'by flag');
  t.match(problemOf({}, { ENCKE_REDIS: redis }), sentence, 'by variable');
  t.match(problemOf({}, {}, file), sentence, 'in the file');
  t.match(problemOf({ redis: 'me:secret@127.0.0.1:6379' }), /not shown .* write redis:\/\/ in front\.$/);
  t.notMatch(problemOf({ redis: 'me:secret@127.0.0.1:6379' }), 'secret');
  t.equal(problemOf({ engine: 'redis' }, {}, file), '', 'with the engine on Redis it is good');
});

t.test('the variables of the other commands do not stop the start', async (t) => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const sources = ['cli', 'msggen', 'floodtest', 'charts'].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(root, room, file), 'utf8')),
  );
  const names = new Set(sources.join('\n').match(/\bENCKE_[A-Z_]+/g));
  t.ok(names.has('ENCKE_API_URL') && names.has('ENCKE_MQTT_TOKEN'), [...names].join(' '));
  const token = 'sixteen-letters-at-least';
  const tokenFile = join(t.testdir({ token }), 'token');
  const values: Record<string, string> = {
    ENCKE_API_PORT: '8001',
    ENCKE_AUTH_REDIS: 'redis://127.0.0.1:6379',
    ENCKE_REDIS_SENTINELS: '127.0.0.1:26379',
    ENCKE_ADMIN_TOKEN_FILE: tokenFile,
    ENCKE_API_TOKEN_FILE: tokenFile,
    ENCKE_MQTT_TOKEN_FILE: tokenFile,
  };
  for (const name of [...names, 'ENCKE_TEST_SEED']) {
    // "encke user" has it, too. The server refuses it where nobody is looked for in Redis.
    const besides = name === 'ENCKE_AUTH_REDIS' ? { ENCKE_AUTH: 'redis' } : {};
    t.equal(problemOf({}, { [name]: values[name] ?? token, ...besides }), '', name);
  }
});
