/** The program of a forked process: takes its share, answers reports, and ends when its parent is gone. */
import type { ProcessReport, PublishedSeqs } from './counts.js';
import { FloodProcess } from './flood-process.js';
import type { Share } from './plan.js';

/**
 * From the parent: first the share to open, then `report` any number of times, perhaps `cut`, in the end `close`. For
 * devices `publish`, later `quiet`, which is answered with the last seqs of this process. Then `settle` with the last
 * seqs of all processes.
 */
export type ToChild =
  | { share: Share }
  | { settle: PublishedSeqs[] }
  | 'report'
  | 'cut'
  | 'publish'
  | 'quiet'
  | 'close';
export type FromChild = { report: ProcessReport } | { published: PublishedSeqs[] };

let flood: FloodProcess | undefined;

function answer(message: FromChild): void {
  process.send?.(message);
}

process.on('message', (message: ToChild) => {
  if (typeof message === 'object' && 'share' in message) {
    flood = new FloodProcess(message.share);
    flood.start();
  } else if (message === 'close') {
    flood?.close();
    process.exit();
  } else if (flood === undefined) {
    return;
  } else if (message === 'report') {
    answer({ report: flood.report() });
  } else if (message === 'cut') {
    flood.cut();
  } else if (message === 'publish') {
    flood.devices?.start();
  } else if (message === 'quiet') {
    answer({ published: flood.quiet() });
  } else {
    flood.settle(message.settle);
  }
});
process.on('disconnect', () => process.exit());
// Ctrl-C in a terminal reaches every process of the group: the parent decides when this one ends.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
