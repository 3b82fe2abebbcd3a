import t from 'tap';
import { Connections } from '../../../gateway/connections.js';
import { RetainedReplays } from '../../../gateway/mqtt/retained-replays.js';
import { Message, type Qos, type Router, Subscriber } from '../../../router/index.js';
import { collectGarbage } from '../../garbage.js';
import { startedRouter } from '../../router/inbox.js';

/** Replays whose connection is cut by the very message that they hand on: rare with a socket, and at will here. */

/** A session at its plainest: what it is handed, and what it does then. */
class Receiver extends Subscriber {
  readonly ids: string[] = [];
  hasRoom = true;
  room = 0;
  onDeliver = () => {};

  constructor(readonly endsWithConnection: boolean) {
    super();
  }

  queueHasRoomFor(): boolean {
    return this.ids.length < this.room;
  }

  override deliver({ id }: Message) {
    this.ids.push(id);
    this.onDeliver();
    return 'sent' as const;
  }
}

/** A channel as far as replays look at it. */
function channelOf(connections: Connections, session: Receiver): never {
  const channel = {
    slot: 0,
    session,
    congested: false,
    get isOpen(): boolean {
      return connections.has(channel as never);
    },
  };
  return channel as never;
}

async function room(): Promise<{ router: Router; replays: RetainedReplays; connections: Connections }> {
  const router = await startedRouter();
  for (let n = 0; n < 1_000; n++) router.publish(new Message(`r/${n}`, Buffer.from('x'), 0, 1, true));
  const connections = new Connections(1);
  const replays = new RetainedReplays(router);
  return { router, replays, connections };
}

const granted = (filter: string) => new Map<string, Qos>([[filter, 1]]);
const turns = async (count: number) => {
  for (let n = 0; n < count; n++) await new Promise(setImmediate);
};

t.test('none is begun for a connection that has gone', async (t) => {
  const { router, replays, connections } = await room();
  const session = new Receiver(true);
  router.subscribe('r/#', session, 1);
  replays.begin(channelOf(connections, session), granted('r/#'));
  t.same([replays.count, session.ids.length], [0, 0]);
});

t.test('one that ends with its connection is not gone on with for the next in its slot', async (t) => {
  const { router, replays, connections } = await room();
  const [first, second] = [new Receiver(true), new Receiver(true)];
  const channels = [first, second].map((session) => channelOf(connections, session));
  router.subscribe('r/#', first, 1);
  router.subscribe('r/7', second, 1);
  first.onDeliver = () => {
    if (first.ids.length !== 10) return;
    router.logout(first);
    replays.release(0, first as never);
    connections.put(channels[1]!);
    replays.begin(channels[1]!, granted('r/7'));
  };
  connections.put(channels[0]!);
  replays.begin(channels[0]!, granted('r/#'));
  for (const channel of channels) replays.goOn(channel);
  await turns(20);
  t.equal(first.ids.length, 10);
  t.same(second.ids, ['r/7']);
  t.equal(replays.count, 0);
});

t.test(
  'retained messages that a persistent session still waits for go into its queue until that is full',
  async (t) => {
    const { router, replays, connections } = await room();
    const session = new Receiver(false);
    const channel = channelOf(connections, session);
    router.subscribe('r/#', session, 1);
    connections.put(channel);
    session.onDeliver = () => {
      if (session.ids.length === 10) session.hasRoom = false;
    };
    replays.begin(channel, granted('r/#'));
    t.equal(session.ids.length, 10);
    session.room = 300;
    replays.release(0, session as never);
    connections.release(0);
    await turns(20);
    t.equal(session.ids.length, 300);
    session.room = 1_000;
    await turns(20);
    t.equal(session.ids.length, 300, 'and the rest is let go');
  },
);

t.test(
  'of a walk that finds nothing to be sure of, no more than a part is made without its connection',
  async (t) => {
    const { router, replays, connections } = await room();
    for (let n = 0; n < 50_000; n++) router.publish(new Message(`q/${n}`, Buffer.from('x'), 0, 0, true));
    router.publish(new Message('r/last', Buffer.from('x'), 0, 1, true));
    const session = new Receiver(false);
    session.room = 10;
    const channel = channelOf(connections, session);
    const filters = ['q/+', 'r/last'];
    for (const filter of filters) router.subscribe(filter, session, 1);
    connections.put(channel);
    session.onDeliver = () => replays.release(0, session as never);
    replays.begin(channel, new Map(filters.map((filter) => [filter, 1 as Qos])));
    await turns(100);
    t.equal(session.ids.length, 1, 'the one that was written as the connection was cut');
  },
);

t.test('a client that subscribes and unsubscribes while a replay waits does not grow it', async (t) => {
  const { router, replays, connections } = await room();
  const session = new Receiver(true);
  session.hasRoom = false;
  const channel = channelOf(connections, session);
  connections.put(channel);
  router.subscribe('r/#', session, 1);
  replays.begin(channel, granted('r/#'));
  const comeAndGo = (count: number) => {
    for (let n = 0; n < count; n++) {
      const filter = `r/+/${n}`;
      router.subscribe(filter, session, 1);
      replays.begin(channel, granted(filter));
      router.unsubscribe(filter, session);
    }
  };
  comeAndGo(1_000);
  const before = usedHeapBytes();
  comeAndGo(100_000);
  const grownMb = (usedHeapBytes() - before) / 1e6;
  t.ok(grownMb < 3, `${grownMb.toFixed(1)} MB; all of them would be 30`);
  t.equal(replays.count, 1);
});

function usedHeapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
