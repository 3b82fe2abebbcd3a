/** The flag of `encke floodtest` that cuts all connections at once. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Cut } from '../floodtest/plan.js';
import { RESUMING_TRANSPORTS, type TransportName } from '../floodtest/transport/transports.js';
import { durationMs } from './flag-values.js';

export const CUT_HELP = `
A long-poller (-t long-poll) polls again at once with the cursor of the answer, on the same connection, and waits 25 s at
most; a chunk is an answer with messages. What comes between two polls is no delivery to msggen, and comes with the next
poll all the same: compare "received" with what msggen has sent. So it is after a cut.

With --cut 30s:10s all connections are cut (reset) in one moment, 30 s after all are open, whatever is on its way to them,
and come back with their cursors, spread over 10 s (${RESUMING_TRANSPORTS.join(', ')}). What was sent meanwhile is received
through the resume, or else lost; what comes twice is duplicated. The end says how many resumed, how many of them the
server said had missed nothing, and how many were not recovered. The history must hold what is sent meanwhile (60 s and
100 messages an id, unless encke start --history-rules says otherwise).
`;

export function cutOption(): Option {
  return new Option(
    '--cut <at:within>',
    'cut all connections so long after all are open, and bring them back within a time: 30s:10s',
  ).argParser(cutOf);
}

/** Ends with a sentence when the cut does not fit the other flags. */
export function checkCut(
  flags: { cut?: Cut; hold?: number; transport: TransportName },
  command: Command,
): void {
  const { cut, hold, transport } = flags;
  const wrong = (sentence: string) => command.error(`error: ${sentence}`, { exitCode: 2 });
  if (cut === undefined) return;
  if (!RESUMING_TRANSPORTS.includes(transport)) {
    wrong(
      `--cut needs cursors, which ${transport} has not: give --transport ${RESUMING_TRANSPORTS.join(' or ')}.`,
    );
  }
  const neededMs = cut.atMs + cut.withinMs;
  if (hold !== undefined && hold <= neededMs) {
    wrong(
      `--hold ends before all are back from the --cut: give --hold more than ${neededMs / 1000}s, or leave it out.`,
    );
  }
}

function cutOf(text: string): Cut {
  const [at, within, ...rest] = text.split(':');
  if (at === undefined || within === undefined || rest.length > 0) throw new InvalidArgumentError(WANTED);
  const cut = { atMs: durationMs(at), withinMs: durationMs(within) };
  if (cut.withinMs === 0) throw new InvalidArgumentError(WANTED);
  return cut;
}

const WANTED = 'Give when to cut and the time to come back in, such as 30s:10s.';
