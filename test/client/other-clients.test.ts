import t, { type Test } from 'tap';
import { EventSource as UndiciEventSource } from 'undici';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';
import { HttpProxy } from './http-proxy.js';
import { countedTo } from './listener.js';

/** The EventSources that are not ours, against `/events`: as the standard has it, with our server. */

interface AnyEventSource {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: { data: string; lastEventId: string }) => void): void;
  close(): void;
}
type EventSourceClass = new (url: string) => AnyEventSource;

t.setTimeout(240_000);
const gateway = await startGateway();
t.teardown(() => gateway.kill());

await tryEventSource('undici', UndiciEventSource as unknown as EventSourceClass);
const npm = await import('eventsource' as string).catch(() => undefined);
if (npm === undefined) {
  const missing = 'npm "eventsource" is not installed: add it to devDependencies and run this again.';
  process.stderr.write(`\nSKIPPED: ${missing}\n\n`);
  t.test('eventsource of npm', { skip: missing }, async () => {});
} else {
  await tryEventSource('npm eventsource', npm.EventSource ?? npm.default);
}

async function tryEventSource(name: string, EventSource: EventSourceClass): Promise<void> {
  function listen(t: Test, url: string) {
    const source = new EventSource(url);
    t.teardown(() => source.close());
    const got: { type: string; data: string; lastEventId: string }[] = [];
    for (const type of ['message', 'recovered', 'base64', 'lost'])
      source.addEventListener(type, ({ data, lastEventId }) => got.push({ type, data, lastEventId }));
    return { source, got };
  }

  t.test(`${name}: data of many lines, bytes, and several ids`, async (t) => {
    const id = `${name.replace(' ', '-')}-data`;
    const { source, got } = listen(t, `${gateway.url}/events/${id}`);
    await until('open', () => source.readyState === 1);
    for (const body of ['Hello', 'a\nb\r\nc\rd\n', '', new Uint8Array([0xff])]) await gateway.send(id, body);
    await until('all are there', () => got.length === 4);
    t.same(
      got.map(({ type, data }) => [type, data]),
      [
        ['message', 'Hello'],
        ['message', 'a\nb\nc\nd\n'],
        ['message', ''],
        ['base64', '/w=='],
      ],
    );
    const both = listen(t, `${gateway.url}/events?id=${id}&id=${id}/other&since=1`);
    await until('the last one', () => both.got.length === 2);
    await gateway.send(`${id}/other`, 'x');
    await until('live', () => both.got.length === 3);
    t.match(both.got[0], { type: 'recovered', data: '{"recovered":true}' });
    t.match(JSON.parse(both.got[1]!.data), { id, data: '/w==', encoding: 'base64' });
    t.match(JSON.parse(both.got[2]!.data), { id: `${id}/other`, data: 'x' });
    t.match(both.got[2]!.lastEventId, /^\w+:4,1$/);
  });

  t.test(`${name}: a killed connection resumes by itself, without a gap or a double`, async (t) => {
    const proxy = await HttpProxy.to(gateway.url);
    t.teardown(() => proxy.close());
    const id = `${name.replace(' ', '-')}-cut`;
    const { source, got } = listen(t, `${proxy.url}/events/${id}`);
    await until('open', () => source.readyState === 1);
    for (let n = 1; n <= 40; n++) {
      await gateway.send(id, String(n));
      if (n % 20 === 10) proxy.cut();
    }
    const messages = () => got.filter(({ type }) => type === 'message').map(({ data }) => data);
    await until('all are there', () => messages().length >= 40, 30_000);
    t.same(messages(), countedTo(40));
    t.same(
      new Set(got.filter(({ type }) => type === 'recovered').map(({ data }) => data)),
      new Set(['{"recovered":true}']),
    );
  });
}
