import t from 'tap';
import { startGateway } from '../../gateway-process.js';
import { oneProcessFile } from '../../one-process.js';
import { until } from '../../until.js';
import { connectRaw } from './raw-client.js';

oneProcessFile('the log of one process');

t.test('two clients that fight over one client id are named once in the log', async (t) => {
  const gateway = await startGateway({ flags: [] });
  t.teardown(() => gateway.kill());
  for (let n = 0; n < 12; n++) await connectRaw(t, gateway, { clientId: 'twin' });
  for (const clientId of ['other', 'other']) await connectRaw(t, gateway, { clientId });
  const { mqtt, connections } = await gateway.stats();
  t.match([connections.closed['taken-over'], mqtt.takeoverLoops], [12, 1]);
  const lines = (reason: string) =>
    gateway.log
      .split('\n')
      .filter((line) => line.includes(`"reason":"${reason}"`))
      .map((line) => JSON.parse(line));
  await until('all is logged', () => lines('taken-over').some(({ clientId }) => clientId === 'other'));
  t.match(lines('takeover-loop'), [{ clientId: 'twin', addresses: ['127.0.0.1'], takeovers: 5 }]);
  t.equal(lines('takeover-loop').length, 1);
  t.equal(lines('taken-over').length, 5, 'four before it was named, and one of another client');
});
