import { join } from 'node:path';
import t from 'tap';
import { readConfig } from '../../gateway/config.js';
import { ask } from '../gateway/raw-wire.js';
import { type GatewayProcess, startGateway } from '../gateway-process.js';
import { configFile, dir, problemOf } from './config-file.js';
import { inTurn, start } from './encke.js';
import './no-settings.js';
import { isUsageError } from './usage-error.js';

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
    ['with an unknown key', configFile({ prot: 9000 }), '"prot"', 'did you mean port?'],
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
