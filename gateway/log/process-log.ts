import { type Logger, pino } from 'pino';
import type { Config } from '../config.js';
import { exitAtOnce } from '../libc.js';
import { withoutTokens } from '../without-tokens.js';
import { standardError } from './log-target.js';
import { LogWriter } from './log-writer.js';

/** Time for the last lines at the exit, with a slow reader. */
const flushMs = 500;

/** The log of a process: pino's lines to standard error, by a writer that never blocks. */
export interface ProcessLog {
  readonly log: Logger;
  readonly writer: LogWriter;
  /** Ends the process when its last lines are written, or after half a second. */
  exit(code: number): Promise<never>;
}

/** From here on an uncaught error is also a log line. It still ends the process with exit code 1. */
export function openProcessLog(config: Pick<Config, 'logLevel' | 'logPendingBytesMax'>): ProcessLog {
  const writer = new LogWriter(standardError(), config.logPendingBytesMax, (droppedLines, cause) =>
    log.error(
      { droppedLines, cause, logPendingBytesMax: config.logPendingBytesMax },
      'log lines were dropped here: standard error did not take them, and more than logPendingBytesMax waited',
    ),
  );
  const log = pino({ level: config.logLevel }, { write: (line) => writer.write(withoutTokens(line)) });
  process.on('exit', (code) => {
    writer.flushAtExit(flushMs);
    if (writer.waitsForReader) exitAtOnce(code);
  });
  // Node itself would write to standard error and wait for its reader, so the process would not end.
  process.on('uncaughtException', (error) => {
    log.fatal(error, 'uncaught error, the process ends');
    process.exit(1);
  });
  const exit = async (code: number): Promise<never> => {
    await writer.flushed(flushMs);
    process.exit(code);
  };
  return { log, writer, exit };
}
