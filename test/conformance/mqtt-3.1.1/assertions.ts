import type { Test } from 'tap';
import type { RawMqtt } from './raw-mqtt.js';
import type { Server } from './server.js';

/** Many statements end so: the connection is closed without an answer. */

/** The server closes this connection and sends no packet more. */
export async function isClosed(t: Test, client: RawMqtt, why: string): Promise<void> {
  try {
    t.strictSame(await client.untilClosed(), [], `closed: ${why}`);
  } catch (error) {
    t.fail(`closed: ${why}`, { error });
  }
}

/** As the first bytes of a connection, these are answered by nothing but its end. */
export async function closesAtOnce(t: Test, server: Server, bytes: Buffer, why: string): Promise<void> {
  const client = await server.open(t);
  client.send(bytes);
  await isClosed(t, client, why);
}

/** An accepted client that sends these is disconnected. */
export async function closesLater(t: Test, server: Server, bytes: Buffer, why: string): Promise<void> {
  const client = await server.client(t);
  client.send(bytes);
  await isClosed(t, client, why);
}

/** The connection works: a PINGREQ is answered, and nothing else was waiting to be read. */
export async function isQuiet(t: Test, client: RawMqtt, what: string): Promise<void> {
  t.strictSame(await client.untilPong(), [], what);
}
