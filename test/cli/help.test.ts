import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { flagOf } from '../../gateway/setting.js';
import { settingKeys } from '../../gateway/settings.js';
import { command, commandNames, encke, inTurn } from './encke.js';

const commands = await commandNames();

t.test('--help lists the commands, and each of them has a help that reads well', async (t) => {
  t.equal((await encke(['--help'])).code, 0);
  t.ok(commands.includes('start') && commands.includes('send'), commands.join(', '));
  await inTurn(commands, async (name) => {
    const { code, stdout, stderr } = await encke([name, '--help']);
    t.equal(code, 0, name);
    t.equal(stderr, '');
    t.match(stdout, new RegExp(`^Usage: encke ${name} `));
    t.match(stdout, /^Examples?:\n {2}(#|encke )/m, `${name} shows an example`);
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
    const help = (await encke(['start', '--help-all'])).stdout.replace(/\n {20,}/g, ' ');
    const flags = [...help.matchAll(/^ {2}--([a-z0-9-]+) <value> .*$/gm)];
    t.same(
      flags.map((match) => match[1]).sort(),
      settingKeys.map((key) => flagOf(key).slice(2)).sort(),
      'all of them',
    );
    for (const [line, flag] of flags) t.match(line, `env: ENCKE_${flag!.toUpperCase().replaceAll('-', '_')}`);
    const lineOf = (flag: string) => flags.find((match) => match[1] === flag)![0];
    for (const word of ['disconnect', 'drop-newest', 'drop-oldest'])
      t.match(lineOf('slow-consumer-policy'), word);
    for (const word of ['warn', 'debug', 'silent']) t.match(lineOf('log-level'), word);
    t.match(lineOf('port'), '8000');
    t.match(lineOf('api-port'), '8001');
    t.match(lineOf('redis'), 'default: redis://127.0.0.1:6379');
  },
);

t.test('the help of start shows the everyday settings in groups, and says how to see all', async (t) => {
  for (const command of ['start', 'gateway', 'router']) {
    const { stdout } = await encke([command, '--help']);
    t.ok(stdout.split('\n').length < 260, `${stdout.split('\n').length} lines`);
    for (const heading of ['Listeners', 'History', 'Many nodes', 'Operation', 'Limits'])
      t.match(stdout, new RegExp(`\n\n${heading}:\n  --`), `${command}: ${heading}`);
    t.match(stdout, `"encke ${command} --help-all" shows all ${settingKeys.length}`);
    t.notMatch(stdout, '--reclaim-after-opened <value>', 'a rare one');
  }
});

t.test('--version says which one it is', async (t) => {
  const { code, stdout } = await encke(['--version']);
  t.equal(code, 0);
  t.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

t.test('a reader of only the first lines ends the command, without a message', async (t) => {
  const child = spawn(command[0], [...command.slice(1), '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  t.equal(code, 141);
  t.equal(stderr, '');
});
