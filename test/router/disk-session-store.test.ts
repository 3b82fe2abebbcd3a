import t from 'tap';
import { InflightEntry, Message, Sessions } from '../../router/index.js';
import { DiskSessionStore } from '../../router/session/disk-session-store.js';
import { GroupCommit } from '../../store/group-commit.js';
import { sessionStoreContract } from '../contracts/session-store.js';
import { StoreInMemory } from '../store/store-in-memory.js';
import { startedRouter, textOf } from './inbox.js';
import { SessionClient } from './session-client.js';

const storeOn = (disk: StoreInMemory) => {
  const commits = new GroupCommit(disk);
  return { commits, store: new DiskSessionStore(disk, commits) };
};

sessionStoreContract('sessions on disk', () => storeOn(new StoreInMemory()).store);

t.test('the next process has the window, the queue and the packet ids, in their order', async (t) => {
  const disk = new StoreInMemory();
  const { commits, store } = storeOn(disk);
  store.keep('away', { address: '10.0.0.1', userName: 'alice' }, 60);
  store.subscribed('away', 'a/#', 2);
  store.subscribed('away', 'gone', 1);
  store.unsubscribed('away', 'gone');
  const flow = store.create('away', false, { bytes: 0 });
  const entries = [9, 3, 5].map((packetId) => new InflightEntry(packetId, message(`${packetId}`), 2, 0));
  for (const entry of entries) flow.send(entry);
  flow.release(entries[0]!);
  flow.remove(entries[1]!);
  for (const text of ['one', 'two', 'three']) flow.enqueue({ message: message(text), options: 1 });
  flow.dequeue();
  for (const packetId of [7, 8]) flow.beginAwaiting(packetId, 0);
  flow.endAwaiting(7);
  await commits.close();

  const total = { bytes: 0 };
  const [restored, ...others] = storeOn(disk).store.restore(total);
  t.same(others, []);
  t.match(restored, {
    clientId: 'away',
    owner: { address: '10.0.0.1', userName: 'alice' },
    expirySec: 60,
    subscriptions: [{ filter: 'a/#', options: 2 }],
  });
  const again = restored!.flow!;
  t.same(
    [...again.entries()].map(({ packetId, message }) => [packetId, message && textOf(message)]),
    [
      [5, '5'],
      [9, undefined],
    ],
  );
  const queued = [again.dequeue(), again.dequeue(), again.dequeue()];
  t.same(
    queued.map((each) => each && textOf(each.message)),
    ['two', 'three', undefined],
  );
  t.same([...again.awaitingIds()], [8]);
  t.ok(total.bytes > 0);
});

t.test('a session that has ended leaves nothing, and its client id begins anew', async (t) => {
  const disk = new StoreInMemory();
  const { commits, store } = storeOn(disk);
  store.keep('client', undefined, undefined);
  store.subscribed('client', 'old', 1);
  await commits.close();
  store.forget('client');
  store.keep('client', undefined, undefined);
  store.subscribed('client', 'new', 1);
  await commits.close();
  const restored = [...storeOn(disk).store.restore({ bytes: 0 })];
  t.same(
    restored.map(({ subscriptions }) => subscriptions),
    [[{ filter: 'new', options: 1 }]],
  );
});

t.test('a registry that is made again subscribes its sessions, and queues for them', async (t) => {
  const disk = new StoreInMemory();
  const first = storeOn(disk);
  const router = await startedRouter();
  const sessions = new Sessions(router, {}, first.store);
  const client = new SessionClient(sessions);
  client.connect('away');
  router.subscribe('a', client.session!, 1);
  client.drop();
  await first.commits.close();

  const later = await startedRouter();
  const again = new Sessions(later, {}, storeOn(disk).store);
  t.equal(later.publish(new Message('a', Buffer.from('x'), 0, 1)), 1);
  t.equal(again.find('away')!.pending.queued, 1);
});

function message(text: string): Message {
  return new Message('a/b', Buffer.from(text), 1, 2);
}
