const servers: ReadonlySet<string> = new Set(['start', 'gateway', 'router']);

/**
 * Handles output that cannot be written. A server goes on, and loses only its welcome. Any other command ends: as by
 * SIGPIPE, which Node ignores, when its reader has gone (`encke --help | head -1`), otherwise with a sentence.
 */
export function watchStandardStreams(asked: string): void {
  process.stderr.on('error', () => {}); // there is no stream left for a message
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (servers.has(asked)) return;
    if (error.code === 'EPIPE') process.exit(141);
    const command = /^[a-z]+$/.test(asked) ? `encke ${asked}` : 'encke';
    process.stderr.write(`${command}: standard output cannot be written (${error.code}).\n`);
    process.exit(1);
  });
}
