import type { HttpResponse } from 'uWebSockets.js';
import { uWS } from '../../gateway/uws.js';

/**
 * The smallest uWebSockets.js program that does what Encke's hot paths do, as the floor to measure them against:
 * streams on `/test/<id>`, `POST /send/<id>` to one of them, `POST /fan-out` to all. No limits, no checks, no
 * backpressure, no second subscriber on an id.
 */

const byId = new Map<string, HttpResponse>();
const all = new Set<HttpResponse>();
const counts = new Map<HttpResponse, number>();

const app = uWS
  .App()
  .get('/test/*', (response, request) => {
    response.onAborted(() => all.delete(response));
    byId.set(request.getUrl().slice('/test/'.length), response);
    all.add(response);
    counts.set(response, 0);
    response.writeHeader('Content-Type', 'text/html; charset=utf-8').write('<h1>Hello</h1>');
  })
  .post('/send/*', (response, request) => {
    const id = request.getUrl().slice('/send/'.length);
    response.onAborted(() => {});
    response.onData((body, last) => {
      if (!last) return;
      const stream = byId.get(id);
      if (stream !== undefined) {
        const count = counts.get(stream)! + 1;
        counts.set(stream, count);
        const text = `Recvd msg #${count}: '${Buffer.from(body).toString()}'<br/>\n`;
        // In a turn of its own: inside this handler the one cork buffer is the publisher's, and a write would be five.
        setImmediate(() => stream.cork(() => stream.write(text)));
      }
      response.writeHeader('Content-Type', 'application/json');
      response.end(`{"delivered":${stream === undefined ? 0 : 1}}`);
    });
  })
  .post('/fan-out/*', (response) => {
    response.onAborted(() => {});
    response.onData((body, last) => {
      if (!last) return;
      const chunk = Buffer.from(`Recvd msg #1: '${Buffer.from(body).toString()}'<br/>\n`);
      setImmediate(() => {
        for (const stream of all) stream.cork(() => stream.write(chunk));
      });
      response.end(`{"delivered":${all.size}}`);
    });
  });

app.listen('127.0.0.1', 0, (socket) => {
  const url = `http://127.0.0.1:${uWS.us_socket_local_port(socket as never)}`;
  console.log(`gateway ${url}\nrouter API ${url}`);
});
