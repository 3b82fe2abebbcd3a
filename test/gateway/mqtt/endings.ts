import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import {
  connect,
  disconnect,
  packet,
  publish,
  subscribe,
} from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { opcodes, type RawMqtt, upgradeHeaders } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import type { GatewayProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { ask, Wire } from '../raw-wire.js';
import { connectRaw, openRaw, tryRaw } from './raw-client.js';
import { StuckClient } from './stuck-client.js';

/** Every way in which an MQTT connection ends, each as one client that comes, does something, and ends so. */

export type Ending = (t: Test, gateway: GatewayProcess, n: number) => Promise<unknown>;

interface Kind {
  ending: Ending;
  /** How often; 40 unless it says otherwise. */
  times?: number;
  /** Under which name each is counted. */
  reason?: string;
}

/** A client that is subscribed, has a will, and has been sent what it does not acknowledge. */
async function busyClient(t: Test, gateway: GatewayProcess, n: number): Promise<RawMqtt> {
  const own = `own-${n}-${randomBytes(4).toString('hex')}`;
  const client = await connectRaw(t, gateway, {
    clientId: own,
    will: { topic: `will/${own}`, payload: 'x' },
  });
  client.send(subscribe(1, [own, 1], [`${own}/#`, 2], ['crowd', 0]));
  client.send(publish(own, 'x', { qos: 1, id: 1 }), publish(`${own}/x`, 'x', { qos: 2, id: 2 }));
  await client.untilPong();
  return client;
}

const wrong =
  (bytes: Buffer): Ending =>
  async (t, gateway, n) => {
    const client = await busyClient(t, gateway, n);
    client.send(bytes);
    await client.untilClosed();
  };

export const endings: Record<string, Kind> = {
  'good-byes': {
    ending: async (t, gateway, n) => (await busyClient(t, gateway, n)).disconnect(),
    reason: 'disconnected',
  },
  'good-byes with more behind them': {
    ending: wrong(Buffer.concat([disconnect(), publish('x')])),
    reason: 'disconnected',
  },
  resets: {
    ending: async (t, gateway, n) => (await busyClient(t, gateway, n)).drop(),
    reason: 'peer-closed',
  },
  'half-closes': {
    ending: async (t, gateway, n) => {
      const client = await busyClient(t, gateway, n);
      client.half();
      await client.untilClosed();
    },
    reason: 'peer-closed',
  },
  'WebSocket closes': {
    ending: async (t, gateway, n) => {
      const client = await busyClient(t, gateway, n);
      client.sendFrame(opcodes.close, Buffer.from([3, 0xe8]));
      await client.untilClosed();
    },
    reason: 'peer-closed',
  },
  'text frames': {
    ending: async (t, gateway, n) => {
      const client = await busyClient(t, gateway, n);
      client.sendFrame(opcodes.text, Buffer.from('hello'));
      await client.untilClosed();
    },
    reason: 'text-frame',
  },
  'malformed packets': { ending: wrong(Buffer.from('f000', 'hex')) },
  'bad lengths': { ending: wrong(Buffer.from('30ffffffff7f', 'hex')), reason: 'malformed-packet' },
  'second CONNECTs': { ending: wrong(connect({ clientId: 'second' })), reason: 'protocol-error' },
  'large packets': { ending: wrong(packet(0x30, Buffer.alloc(80_000))), reason: 'packet-too-large' },
  'too many at QoS 2': {
    ending: wrong(Buffer.concat([11, 12, 13, 14].map((id) => publish('q', '', { qos: 2, id })))),
    reason: 'too-many-awaiting-rel',
  },
  'packets before CONNECT': {
    ending: async (t, gateway) => {
      const client = await openRaw(t, gateway);
      client.send(publish('x'));
      await client.untilClosed();
    },
    reason: 'not-connected',
  },
  'refused CONNECTs': {
    ending: async (t, gateway) => {
      const { client } = await tryRaw(t, gateway, { clientId: '', clean: false });
      await client.untilClosed();
    },
    reason: 'connect-refused',
  },
  'nothing said at all': {
    ending: async (t, gateway, n) => {
      const client = await openRaw(t, gateway);
      if (n % 2 === 0) client.send(connect({ clientId: 'half' }).subarray(0, 9));
      await client.untilClosed();
    },
    times: 20,
    reason: 'idle-timeout',
  },
  'keep-alives that stop': {
    ending: async (t, gateway) => {
      const client = await connectRaw(t, gateway, { keepAliveSec: 1, will: { topic: 'w', payload: 'x' } });
      await client.subscribe('crowd', 1);
      await client.untilClosed();
    },
    times: 20,
    reason: 'keep-alive-timeout',
  },
  takeovers: {
    ending: async (t, gateway, n) => {
      const clientId = `same-${n}`;
      const clients = [];
      for (const clean of [false, false, true]) {
        const client = await connectRaw(t, gateway, { clientId, clean });
        client.send(subscribe(1, [`same/${n}`, 1], [`same/${n}/+`, 1]));
        clients.push(client);
      }
      await Promise.all(clients.slice(0, 2).map((client) => client.untilClosed()));
      await clients[2]!.disconnect();
    },
    reason: 'taken-over',
  },
  'sessions that are kept, and then given up': {
    ending: async (t, gateway, n) => {
      const clientId = `kept-${n}`;
      const first = await connectRaw(t, gateway, { clientId, clean: false });
      await first.subscribe(`kept/${n}/#`, 2);
      await first.drop();
      await until('it is away', async () => {
        const body = 'x'.repeat(100);
        return (
          (await ask(gateway.apiPort, `/send/kept/${n}/x?qos=2`, { method: 'POST', body })).json.delivered ===
          1
        );
      });
      const second = await connectRaw(t, gateway, { clientId, clean: false });
      await second.nextPublish();
      await second.drop();
      await (await connectRaw(t, gateway, { clientId, clean: true })).disconnect();
    },
  },
  'packets left in the middle': {
    ending: async (t, gateway, n) => {
      const client = await busyClient(t, gateway, n);
      client.send(publish('x', 'x'.repeat(5_000)).subarray(0, 4_000));
      await client.drop();
    },
  },
  'upgrades left in the middle': {
    ending: async (_t, gateway, n) => {
      const lines = Object.entries({ Host: 'x', ...upgradeHeaders(['mqtt']) }).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      );
      const request = `GET /mqtt HTTP/1.1\r\n${lines.join('')}\r\n`;
      const wire = await Wire.open(gateway.port);
      wire.socket.write(n % 2 === 0 ? request : request.slice(0, n * 4));
      await (n % 3 === 0 ? wire.close() : wire.reset());
    },
  },
  'refused upgrades': {
    ending: async (_t, gateway, n) => {
      const headers = upgradeHeaders(n % 2 === 0 ? [] : ['mqtt']);
      const answer = await ask(gateway.port, '/mqtt', {
        headers: n % 2 === 0 ? headers : { ...headers, Origin: 'https://evil' },
      });
      if (answer.status !== (n % 2 === 0 ? 400 : 403)) throw new Error(answer.head);
    },
  },
  'clients that go while a message is on its way to them': {
    ending: async (t, gateway, n) => {
      const client = await busyClient(t, gateway, n);
      const sending = Promise.all(
        Array.from({ length: 5 }, () =>
          ask(gateway.apiPort, '/send/crowd', { method: 'POST', body: 'x'.repeat(1000) }),
        ),
      );
      await (n % 2 === 0 ? client.drop() : client.disconnect());
      await sending;
    },
  },
  'slow consumers': {
    ending: async (_t, gateway, n) => {
      const client = await StuckClient.connect(gateway, { clientId: `slow-${n}` });
      client.send(subscribe(1, [`slow/${n}`, n % 2]));
      const body = `${JSON.stringify({ id: `slow/${n}`, data: 'x'.repeat(60_000) })}\n`.repeat(10);
      for (let sent = 0; sent < 12; sent++) await ask(gateway.apiPort, '/send', { method: 'POST', body });
      await client.destroy();
    },
    times: 10,
  },
};
