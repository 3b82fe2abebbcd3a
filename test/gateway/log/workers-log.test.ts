import t from 'tap';
import { startProcess } from '../../gateway-process.js';
import { RedisServer } from '../../redis-server.js';
import { onEngine } from '../cluster/workers.js';
import { ask } from '../raw-wire.js';
import { NamedPipe } from './named-pipe.js';

t.test('a supervisor and its workers go on, and stop, where nobody reads their log', async (t) => {
  const redis = await RedisServer.start();
  t.teardown(() => redis.stop());
  const pipe = new NamedPipe();
  t.teardown(() => pipe.close());
  pipe.fill();
  const flags = ['--workers', '2', ...onEngine(redis), '--drain-sec', '0'];
  const supervisor = await startProcess({ stderr: pipe.writeEnd, flags });
  t.teardown(() => supervisor.kill());
  const { json } = await ask(supervisor.apiPort, '/stats');
  t.ok(json.log.pendingBytes > 0, 'lines of both workers wait');
  t.match(json, { workers: 2, log: { droppedLines: 0 } });
  t.equal(await supervisor.kill('SIGTERM'), 0);
});
