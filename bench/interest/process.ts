/** A node, or the publisher, of bench/interest.ts: does what it is told, one task after the other. */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type Way, type WayName, ways } from './ways.js';

export type Task =
  | { open: { way: WayName; url: string; node: number } }
  | { login: { from: number; count: number } }
  | { publish: { messages: number; ids: number } }
  | 'memory'
  | 'received';

/** What a task has to say; 0 for all else. */
export interface Answer {
  /** RSS after a collection. */
  bytes: number;
  /** Messages since last asked: for an id that is logged in here, and for others. */
  wanted: number;
  others: number;
}

/** Published between two questions to the server whether it has it all. */
const burst = 200;
const payload = Buffer.alloc(64, 'x');

let connection: NatsConnection;
let way: Way;
/** As a router has them anyway. */
const loggedIn = new Set<string>();
let wanted = 0;
let others = 0;

process.on('message', async (task: Task) => {
  const answer: Answer = { bytes: 0, wanted: 0, others: 0 };
  if (task === 'memory') {
    for (let i = 0; i < 3; i++) globalThis.gc!();
    answer.bytes = process.memoryUsage.rss();
  } else if (task === 'received') {
    Object.assign(answer, { wanted, others });
    wanted = 0;
    others = 0;
  } else if ('open' in task) {
    connection = await connect({ servers: task.open.url, noEcho: true });
    way = ways[task.open.way](connection, task.open.node);
    await way.open((id) => {
      if (loggedIn.has(id)) wanted++;
      else others++;
    });
    await connection.flush();
  } else if ('login' in task) {
    const { from, count } = task.login;
    for (let n = from; n < from + count; n++) {
      const id = `user/${n}`;
      loggedIn.add(id);
      await way.login(id);
    }
    await way.flush?.();
    await connection.flush();
  } else {
    const { messages, ids } = task.publish;
    for (let sent = 0; sent < messages; ) {
      for (let i = 0; i < burst; i++, sent++) way.publish(`user/${Math.floor(Math.random() * ids)}`, payload);
      await connection.flush();
    }
  }
  process.send!(answer);
});
process.on('disconnect', () => process.exit());
