import t from 'tap';
import {
  encodeSessions,
  InflightEntry,
  Message,
  MessageProperties,
  noLocal,
  type Qos,
  retainAsPublished,
  retainSet,
  SessionDecoder,
} from '../../router/index.js';
import {
  chunkBytes,
  type DecodedSession,
  type EncodedSession,
} from '../../router/session/session-encoding.js';
import { SeededRandom } from '../seeded-random.js';

function decode(chunks: Iterable<Buffer>): DecodedSession[] {
  const decoder = new SessionDecoder();
  return [...chunks].flatMap((chunk) => decoder.read(chunk));
}

const message = (text: string, qos: Qos = 1, retain = false) =>
  new Message('user/ä', new TextEncoder().encode(text), 1_790_000_000_123, qos, retain, 2 ** 52 + 1);

const withExtras = new Message(
  'four',
  new TextEncoder().encode('payload'),
  1_790_000_000_123,
  1,
  true,
  7,
  'größe',
  new MessageProperties({ contentType: 'text/plain', userProperties: [['name', 'value']] }),
);

const everything: EncodedSession = {
  clientId: 'größe',
  owner: { address: '10.0.0.1', userName: undefined },
  expirySec: 90,
  subscriptions: [
    { filter: 'user/+/x', options: 0 },
    { filter: '#', options: 2 },
    { filter: 'own/#', options: 1 | noLocal | retainAsPublished },
  ],
  flow: {
    lastPacketId: 65_535,
    inflight: [
      new InflightEntry(7, message('one'), 1 | retainSet, 0),
      new InflightEntry(9, undefined, 2, 0),
      new InflightEntry(65_535, message('', 2, true), 2, 0),
    ],
    queued: [
      { message: message('two', 2), options: 1 },
      { message: message('three', 0), options: retainSet },
      { message: withExtras, options: 1 },
    ],
    awaiting: [1, 500, 65_535],
  },
};

t.test('all of a session comes back, in its order', async (t) => {
  const [decoded, next, ...others] = decode(
    encodeSessions([everything, { clientId: 'idle', owner: undefined }]),
  );
  t.same(others, []);
  const { flow, ...rest } = everything;
  const plain = (of: object) => JSON.parse(JSON.stringify(of));
  t.same(plain(decoded!), plain({ ...rest, ...flow! }));
  t.same(next, {
    clientId: 'idle',
    owner: undefined,
    expirySec: undefined,
    lastPacketId: 0,
    subscriptions: [],
    inflight: [],
    queued: [],
    awaiting: [],
  });
  const owner = { address: 'a', userName: 'u' };
  t.same(decode(encodeSessions([{ clientId: 'c', owner }]))[0]!.owner, owner);
});

t.test('nodes that know version 1 only get that, without what it has no place for', async (t) => {
  const chunks = [...encodeSessions([everything], true)];
  t.ok(chunks.every((chunk) => chunk[0] === 1));
  const [decoded] = decode(chunks);
  t.equal(decoded!.expirySec, undefined);
  t.same(
    decoded!.subscriptions.map(({ options }) => options),
    [0, 2, 1],
  );
  const { message: last, options } = decoded!.queued.at(-1)!;
  t.same(
    [last.id, options, last.retain, last.publisher, last.properties],
    ['four', 1, true, undefined, undefined],
  );
  t.equal(Buffer.from(last.payload).toString(), 'payload');
  const plain = [...encodeSessions([{ clientId: 'c', owner: undefined, flow: everything.flow! }])][0]!;
  t.equal(
    decode([Buffer.concat([Buffer.of(1), plain.subarray(1)])])[0]!.queued.length,
    3,
    'and both are read',
  );
});

t.test(
  'a long queue is several chunks, made as they are taken; a payload keeps no chunk alive',
  async (t) => {
    const payload = 'x'.repeat(10_000);
    let made = 0;
    function* sessions(): Generator<EncodedSession> {
      for (let n = 0; n < 100; n++) {
        made++;
        const queued = Array.from({ length: 5 }, (_, m) => {
          return { message: message(`${n}.${m} ${payload}`), options: 1 };
        });
        yield { clientId: `c${n}`, owner: undefined, flow: { ...everything.flow!, queued } };
      }
    }
    const chunks = encodeSessions(sessions());
    const first = chunks.next().value as Buffer;
    t.ok(made < 5, `${made} sessions encoded for the first chunk`);
    const all = [first, ...chunks];
    t.ok(all.length > 30 && all.every(({ length }) => length <= chunkBytes), `${all.length} chunks`);
    const decoded = decode(all);
    t.same(
      decoded.map(({ clientId }) => clientId),
      Array.from({ length: 100 }, (_, n) => `c${n}`),
    );
    const { payload: last } = decoded[99]!.queued[4]!.message;
    t.ok(Buffer.from(last).toString().startsWith('99.4 '));
    t.equal(last.buffer.byteLength, last.length);
  },
);

t.test('a message larger than a chunk has one of its own', async (t) => {
  const large = { message: message('x'.repeat(300_000)), options: 1 };
  const flow = { lastPacketId: 0, inflight: [], awaiting: [], queued: [large, large] };
  const chunks = [...encodeSessions([{ clientId: 'c', owner: undefined, flow }])];
  t.equal(chunks.length, 4);
  t.equal(decode(chunks)[0]!.queued.length, 2);
});

t.test('bytes that no node has written are refused, and nothing else happens', async (t) => {
  const random = new SeededRandom();
  t.comment(`ENCKE_TEST_SEED=${random.seed}`);
  const [good] = [...encodeSessions([everything])] as [Buffer];
  t.throws(() => decode([Buffer.of(3)]), { name: 'RangeError', message: /version 3, not 2/ });
  t.throws(() => decode([Buffer.alloc(0)]), RangeError);
  t.throws(() => decode([Buffer.of(1, 5, 0, 0, 0, 0)]), { message: /part of no session/ });
  for (let cut = 2; cut < good.length - 5; cut++) {
    let complete = 0;
    try {
      complete = decode([good.subarray(0, cut)]).length;
    } catch (error) {
      if (!(error instanceof RangeError)) t.fail(`cut at ${cut}: ${error}`);
    }
    if (complete > 0) t.fail(`cut at ${cut}: complete`);
  }
  for (let round = 0; round < 5_000; round++) {
    const bent = Buffer.from(good);
    bent[random.below(bent.length)] = random.below(256);
    try {
      decode([bent]);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyntaxError)) t.fail(`${error}`);
    }
  }
});
