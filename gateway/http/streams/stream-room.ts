import type { SharedParts } from '../../shared-parts.js';
import { HttpAuthentication } from '../authentication.js';
import type { FrontDoor } from '../front-door.js';
import { CatchUps } from './catch-ups.js';
import { Cors } from './cors.js';
import { bindPolls } from './poll-routes.js';
import { Polls } from './polls.js';
import { bindRefresh } from './refresh-routes.js';
import { StreamCursors } from './stream-cursors.js';
import { StreamHandles } from './stream-handles.js';
import { StreamRefreshes } from './stream-refreshes.js';
import { bindStreams } from './stream-routes.js';
import { StreamWire } from './stream-wire.js';
import { Streams } from './streams.js';
import { UnsentAnswers } from './unsent-answers.js';

/** Puts HTTP streams and polls together, and binds their routes. @returns the answers to polls that wait for their sockets */
export function bindStreamRoom(door: FrontDoor, shared: SharedParts): UnsentAnswers {
  const { router, config, connections, counters, clock, outbound, access, connectRates } = shared;
  const { history } = router;
  const { cluster } = router.engine;
  const cursors = new StreamCursors(history, connections);
  const wire = new StreamWire(connections, counters, clock, cursors);
  const catchUps = new CatchUps(history, connections, outbound);
  const handles = new StreamHandles(cluster?.self.run ?? 0);
  const streams = new Streams({ ...shared, wire, cursors, catchUps, handles });
  const unsent = new UnsentAnswers(config);
  const polls = new Polls({ ...shared, unsent });
  const refreshes = new StreamRefreshes({
    access,
    counters,
    handles,
    cluster,
    waitMs: config.countWaitMs,
  });
  const authentication = new HttpAuthentication('http', shared);
  const cors = new Cors(config.allowOrigin, authentication.required);
  shared.changes.on(['allowOrigin'], (next) => () => cors.take(next.allowOrigin));
  bindStreams(door, { streams, connectRates, config, counters, cors, history, authentication, access });
  bindPolls(door, { polls, streams, history, config, counters, cors, authentication, access });
  bindRefresh(door, { refreshes, counters, cors, authentication });
  return unsent;
}
