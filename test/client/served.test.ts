import { SourceMap } from 'node:module';
import t from 'tap';
import { ask } from '../gateway/raw-wire.js';
import { startGateway } from '../gateway-process.js';
import { oneProcessFile } from '../one-process.js';

oneProcessFile('what the gateway serves of the client; nothing crosses');

/** Compressed, of `/client.js`; 100 more than before it renewed tokens of open streams and had `about` of messages. */
const gzipBytesMax = 14_600;

const gateway = await startGateway();
t.teardown(() => gateway.kill());

const get = (path: string, headers: Record<string, string> = {}) => ask(gateway.port, path, { headers });

t.test('/client.js is all of the client in one file, with an ETag', async (t) => {
  const wire = await get('/client.js');
  t.equal(wire.status, 200);
  t.notMatch(wire.text, /^import |\bfrom '/m, 'it imports nothing');
  t.match(wire.header('Cache-Control'), 'no-cache');
  const tag = wire.header('ETag')!;
  t.match(tag, /^W\/"[\w-]{22}"$/);
  for (const given of [tag, tag.slice(2), `"other", ${tag}`]) {
    const again = await get('/client.js', { 'If-None-Match': given });
    t.same([again.status, again.text, again.header('ETag')], [304, '', tag], given);
  }
  t.equal((await get('/client.js', { 'If-None-Match': '"other"' })).status, 200);
  // Its map has an address relative to it, and a data: URL has nothing to be relative to (node --enable-source-maps).
  const script = wire.text.replace(/\/\/# sourceMappingURL=.*/, '');
  const bundle = await import(`data:text/javascript;base64,${Buffer.from(script).toString('base64')}`);
  const client = await import('../../client/index.js');
  t.same(Object.keys(bundle).sort(), Object.keys(client).sort(), 'it exports the same');
});

t.test('compressed for who takes it', async (t) => {
  const plain = await (
    await fetch(`${gateway.url}/client.js`, { headers: { 'Accept-Encoding': 'identity' } })
  ).text();
  const response = await fetch(`${gateway.url}/client.js`, { headers: { 'Accept-Encoding': 'br, gzip' } });
  t.equal(response.headers.get('content-encoding'), 'gzip');
  t.equal(await response.text(), plain);
  const refused = await fetch(`${gateway.url}/client.js`, { headers: { 'Accept-Encoding': 'gzip;q=0, br' } });
  t.equal(refused.headers.get('content-encoding'), null);
  const bytes = Number(response.headers.get('content-length'));
  t.ok(bytes > 1_000 && bytes <= gzipBytesMax, `${bytes} bytes`);
});

t.test('its map leads to the sources, line by line', async (t) => {
  const script = await (await fetch(`${gateway.url}/client.js`)).text();
  const [, name] = /\n\/\/# sourceMappingURL=(\S+)\n$/.exec(script)!;
  const map = await (await fetch(new URL(name!, `${gateway.url}/client.js`))).json();
  const lines = script.split('\n');
  const { sections } = map as {
    sections: { offset: { line: number }; map: ConstructorParameters<typeof SourceMap>[0] }[];
  };
  const indented = ['reconnect()', 'accepts({'];
  for (const text of ['class ReconnectBackoff', 'class EventStreamParser', 'function connect', ...indented]) {
    const line = lines.findIndex((line) => line.includes(text));
    const section = sections.findLast(({ offset }) => offset.line <= line)!;
    const column = lines[line]!.indexOf(text);
    const found = new SourceMap(section.map).findEntry(line - section.offset.line, column);
    if (!('originalLine' in found)) return t.fail(`nothing is known of ${text}`);
    const source = section.map.sourcesContent[0]!.split('\n')[found.originalLine]!;
    t.ok(source.includes(text), `${text}: ${source}`);
    if (indented.includes(text)) t.equal(found.originalColumn, source.indexOf(text), `${text}: its column`);
  }
});

t.test('the modules that it is made of have ETags and maps, too', async (t) => {
  for (const module of ['index.js', 'link.js']) {
    const wire = await get(`/client/${module}`);
    const tag = wire.header('ETag')!;
    t.equal((await get(`/client/${module}`, { 'If-None-Match': tag })).status, 304);
    t.match(wire.text, new RegExp(`\n//# sourceMappingURL=${module}.map\n$`));
    t.match((await get(`/client/${module}.map`)).json, { version: 3, sourcesContent: [/./] });
  }
});
