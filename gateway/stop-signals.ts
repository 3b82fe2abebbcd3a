/**
 * SIGTERM and SIGINT: the first stops gracefully, the second at once.
 * @param atOnce called before the second signal ends the process
 */
export function stopOnSignal(stop: (signal: NodeJS.Signals) => void, atOnce: () => void = () => {}): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) {
      atOnce();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    }
    stopping = true;
    stop(signal);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
