/** The program of a forked process: takes its share, answers reports, and ends when its parent is gone. */
import type { ProcessReport } from './counts.js';
import { FloodProcess } from './flood-process.js';
import type { Share } from './plan.js';

/** From the parent: the share to open, then `report` as often as it likes, in the end `close`. */
export type ToChild = { share: Share } | 'report' | 'close';
export type FromChild = ProcessReport;

let flood: FloodProcess | undefined;

process.on('message', (message: ToChild) => {
  if (message === 'report') {
    if (flood !== undefined) process.send?.(flood.report());
  } else if (message === 'close') {
    flood?.close();
    process.exit();
  } else {
    flood = new FloodProcess(message.share);
    flood.start();
  }
});
process.on('disconnect', () => process.exit());
// Ctrl-C in a terminal reaches every process of the group: the parent decides when this one ends.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
