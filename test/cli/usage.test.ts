import t from 'tap';
import { commandNames, encke, inTurn, start } from './encke.js';
import { isUsageError } from './usage-error.js';

const commands = await commandNames();

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
  const byNpm = await encke(['start', '9000'], { environment: { npm_lifecycle_event: 'start' } });
  t.match(byNpm.stderr, 'npm start -- --port 9000', 'as npm hands over "npm start --port 9000"');
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
    const outcome = await encke([command, flag, value, ...more], { timeoutMs: 8000 });
    isUsageError(t, `${command} ${flag} ${value}`, outcome, flag, value);
  });
});
