/** The longest that a timer can be set for; anything longer fires after 1 ms. */
const timerMaxMs = 2 ** 31 - 1;

/** As `setTimeout`; what is longer than a timer can be never comes. */
export function later(delayMs: number, callback: () => void): ReturnType<typeof setTimeout> | undefined {
  return delayMs > timerMaxMs ? undefined : setTimeout(callback, delayMs);
}

/** @returns as the promise; rejects with the signal's reason when that aborts before */
export function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const end = () => reject(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
}

/** Aborted with its parent, and without it. */
export function childOf({ signal }: AbortController): AbortController {
  const child = new AbortController();
  const end = () => child.abort(signal.reason);
  child.signal.addEventListener('abort', () => signal.removeEventListener('abort', end));
  if (signal.aborted) end();
  else signal.addEventListener('abort', end);
  return child;
}

/** Waits; ends early, and quietly, when the signal aborts. */
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
