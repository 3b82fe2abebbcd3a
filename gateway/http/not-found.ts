import type { FrontDoor } from './front-door.js';
import { bindRest } from './methods.js';

/** Answers to unknown paths: the paths of this listener, or a hint for clients that confuse the two ports. */

const toApi = 'Sending is at the router API, port 8001 unless --api-port says otherwise.';
const toGateway = 'Streams, polls and MQTT are at the gateway, port 8000 unless --port says otherwise.';

const ofGateway = /^\/(test|events|stream|poll|mqtt|demo|client|numbers)\b/;
const ofApi = /^\/(send|ids|stats|health|ready)\b/;

/** @param mqttPath undefined where MQTT is off */
export function bindRestOfGateway(door: FrontDoor, mqttPath: string | undefined): void {
  const orMqtt = mqttPath === undefined ? '' : `, or ${mqttPath} with a WebSocket`;
  const here = `Try /, /test/<id>, /events/<id>, /poll/<id> or /stream/<id>${orMqtt}.`;
  bindRest(door, (method, path) =>
    method === 'post' || ofApi.test(path)
      ? `Not here: this is the gateway. ${toApi} ${here}`
      : `Not here. ${here}`,
  );
}

/** @param here the paths of this listener */
export function bindRestOfApi(door: FrontDoor, here: string): void {
  bindRest(door, (_, path) =>
    ofGateway.test(path)
      ? `Not here: this is the port of the API. ${toGateway} ${here}`
      : `Not here. ${here}`,
  );
}
