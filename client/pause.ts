/** The longest time of a timer; a longer one would fire after 1 ms. */
const timerMaxMs = 2 ** 31 - 1;

/** `setTimeout`; a time that is too long for a timer is never. */
export function later(delayMs: number, callback: () => void): ReturnType<typeof setTimeout> | undefined {
  return delayMs > timerMaxMs ? undefined : setTimeout(callback, delayMs);
}

/** @returns the promise; rejects with the signal's reason if the signal aborts first */
export function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const end = () => reject(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
}

/** @returns a controller that aborts with its parent, or alone */
export function childOf({ signal }: AbortController): AbortController {
  const child = new AbortController();
  const end = () => child.abort(signal.reason);
  child.signal.addEventListener('abort', () => signal.removeEventListener('abort', end));
  if (signal.aborted) end();
  else signal.addEventListener('abort', end);
  return child;
}

/** Waits. Ends early, without an error, when the signal aborts. */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = later(durationMs, end);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
  });
}
