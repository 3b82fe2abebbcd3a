import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import { type Connect, connect } from '../../conformance/mqtt-3.1.1/packet-bytes.js';
import { RawMqtt } from '../../conformance/mqtt-3.1.1/raw-mqtt.js';
import { endpointOf, type Reachable } from '../../conformance/mqtt-3.1.1/server.js';

/** Raw MQTT connections to a gateway under test; gone when the test ends. */

export async function openRaw(
  t: Test,
  gateway: Reachable,
  headers: Readonly<Record<string, string>> = {},
  query = '',
): Promise<RawMqtt> {
  const endpoint = endpointOf(gateway);
  const client = await RawMqtt.open({ ...endpoint, path: endpoint.path + query }, ['mqtt'], headers);
  // Node cannot reset a socket whose half-close is under way: EINVAL, and it never closes.
  t.teardown(() => (client.closeCode === undefined ? client.drop() : client.untilClosed()));
  return client;
}

/** @returns the return code of CONNACK beside the connection */
export async function tryRaw(
  t: Test,
  gateway: Reachable,
  options: Connect,
): Promise<{ client: RawMqtt; code: number; sessionPresent: boolean }> {
  const client = await openRaw(t, gateway);
  client.send(connect(options));
  const answer = await client.next();
  if (answer.type !== 'CONNACK') throw new Error(`not a CONNACK: ${JSON.stringify(answer)}`);
  return { client, code: answer.returnCode, sessionPresent: answer.sessionPresent };
}

/** A client that has been accepted. */
export async function connectRaw(t: Test, gateway: Reachable, options: Connect = {}): Promise<RawMqtt> {
  const { client, code } = await tryRaw(t, gateway, {
    clientId: `raw-${randomBytes(5).toString('hex')}`,
    ...options,
  });
  if (code !== 0) throw new Error(`refused with return code ${code}`);
  return client;
}

/** @returns code and reason of the server's close frame */
export async function closing(client: RawMqtt): Promise<string> {
  await client.untilClosed();
  return `${client.closeCode} ${client.closeReason}`;
}
