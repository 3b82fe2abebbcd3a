import type { HttpResponse } from 'uWebSockets.js';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  answer,
  answerText,
  endHead,
  endsWithConnection,
  endWhenWritable,
  type Headers,
  writeSecurityHeaders,
} from './answer.js';

/** Serves the installed MQTT.js, so that the demo page needs no other server. */

/** The package adds the .js itself: this is dist/mqtt.min.js, for browsers. */
const installedAs = 'mqtt/dist/mqtt.min';

const headers: Headers = [
  ['Content-Type', 'text/javascript; charset=utf-8'],
  ['Cache-Control', 'public, max-age=86400'],
];

export class MqttClientScript {
  #bytes: Buffer | undefined;

  answer(response: HttpResponse): void {
    try {
      this.#bytes ??= readFileSync(createRequire(import.meta.url).resolve(installedAs));
    } catch {
      return answerText(
        response,
        '404 Not Found',
        'MQTT.js is not installed here: run "npm install" where Encke is, and load the page again.',
        [['Cache-Control', 'no-store']],
      );
    }
    if (response.headOnly === true) return answer(response, '200 OK', headers, this.#bytes);
    answerAtItsPace(response, this.#bytes);
  }
}

/** 340 KB do not fit into every socket at once. The rest is not copied, and is written when the socket takes more. */
function answerAtItsPace(response: HttpResponse, bytes: Buffer): void {
  response.writeStatus('200 OK');
  for (const [name, value] of headers) response.writeHeader(name, value);
  writeSecurityHeaders(response);
  if (endsWithConnection(response)) {
    response.end(bytes, true);
    return;
  }
  endHead(response);
  const [, ended] = response.tryEnd(bytes, bytes.length);
  if (ended) return;
  endWhenWritable(response, bytes, 0);
}
