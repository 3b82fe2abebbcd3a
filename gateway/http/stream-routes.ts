import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { refusals } from '../close-reason.js';
import type { Config } from '../config.js';
import type { Counters } from '../counters.js';
import { type Streams, writeStreamHead } from '../streams.js';
import { refuse } from './answer.js';
import { cometPage } from './comet-page.js';
import { bindPath } from './methods.js';
import { ndjson } from './ndjson.js';
import { idFromPath, idsFromQuery, type Parsed } from './request.js';
import type { Transport } from './transport.js';

/** `GET /test/<id>`, `/stream/<id>` and `/stream?id=…`: from request line to open stream, or the refusal. */
export function bindStreams(app: TemplatedApp, streams: Streams, config: Config, counters: Counters): void {
  const inPath = (prefix: string) => {
    return (request: HttpRequest): Parsed<string[]> => {
      const id = idFromPath(request, prefix, config);
      return id.ok ? { ok: true, value: [id.value] } : id;
    };
  };
  const inQuery = (request: HttpRequest) => idsFromQuery(request, config);
  bind('/test/*', cometPage, inPath('/test/'));
  bind('/stream/*', ndjson, inPath('/stream/'));
  bind('/stream', ndjson, inQuery);

  function bind(path: string, transport: Transport, idsOf: (request: HttpRequest) => Parsed<string[]>) {
    bindPath(app, path, {
      get: (response, request) => {
        const ids = idsOf(request);
        if (admitted(response, ids)) streams.open(response, transport, ids.value);
      },
      head: (response, request) => {
        if (!admitted(response, idsOf(request))) return;
        writeStreamHead(response, transport);
        response.endWithoutBody();
      },
    });
  }

  function admitted(
    response: HttpResponse,
    ids: Parsed<string[]>,
  ): ids is Extract<Parsed<string[]>, { ok: true }> {
    if (!ids.ok) {
      counters.refused['bad-id']++;
      refuse(response, refusals['bad-id'], ids.problem);
      return false;
    }
    const reason = streams.refusalOf(response, ids.value.length);
    if (reason === undefined) return true;
    counters.refused[reason]++;
    refuse(response, refusals[reason]);
    return false;
  }
}
