import t from 'tap';
import { namePendingMax } from '../../../gateway/cluster/name-service.js';
import { until } from '../../until.js';
import { natsServer, nodeStats, startNodes } from './nodes.js';
import { RawNats } from './raw-nats.js';

/** Whoever asks faster than other nodes answer is refused, and does not grow the process. */

const nats = await natsServer(t);
const [one, two] = await startNodes(
  t,
  nats,
  [
    { name: 'router-1', role: 'router' },
    { name: 'gw-1', role: 'gateway' },
  ],
  ['--count-wait-ms', '60000'],
);

t.test('requests that wait for other nodes have a limit', async (t) => {
  two!.child.kill('SIGSTOP');
  const raw = await RawNats.open(nats.port);
  const more = 50;
  const request = 'PUB encke.send.x answers 1\r\nx\r\n';
  raw.socket.write(`SUB answers flood\r\n${request.repeat(namePendingMax + more)}`);
  const answered = () => raw.said.split('MSG answers flood ').length - 1;
  await until('those past the limit are answered', () => answered() >= more);
  t.equal(
    raw.said.split('Too many requests wait for other nodes').length - 1,
    more,
    'that they are too many',
  );
  t.equal(answered(), more, 'while the others wait');
  two!.child.kill('SIGCONT');
  await until('the others are answered, too', () => answered() === namePendingMax + more);
  t.same(await raw.json('encke.send.x', 'x'), { delivered: 0 }, 'then there is room again');
  const { nameErrors, router } = await nodeStats(one!);
  t.equal(nameErrors, more);
  t.ok(router.published > namePendingMax);
  t.ok(router.published < namePendingMax + more, `what was refused was not sent: ${router.published}`);
  raw.close();
});
