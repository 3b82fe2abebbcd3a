import t from 'tap';
import { openStream, Wire } from '../gateway/raw-wire.js';
import { startGateway } from '../gateway-process.js';
import { encke, type Surroundings } from './encke.js';
import './no-settings.js';
import { isOneSentence } from './usage-error.js';

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

  t.test('refuses an argument that is not UTF-8, as another message would be sent', async (t) => {
    const outcome = await send(['123', 'a\ufffdb']); // what Node makes of the byte FF
    t.equal(outcome.code, 1);
    isOneSentence(t, 'not UTF-8', outcome, 'standard input');
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
    const noUrl = await encke(['send', '--url', 'localhost:8001', '123', 'Hello']);
    t.equal(noUrl.code, 2);
    t.match(noUrl.stderr, 'such as http://127.0.0.1:8001.', 'the port of the router API');
  });
});
