/** Events of a page that end a wait: the page is online again, or has become visible. */

export type WakeReason = 'online' | 'visible';

const listeners = new Set<(reason: WakeReason) => void>();
let installed = false;

interface Page {
  addEventListener?(type: string, listener: () => void): void;
  document?: { visibilityState: string; addEventListener(type: string, listener: () => void): void };
}

/** @returns a function that removes the listener. Outside of pages the listener is never called */
export function onWake(listener: (reason: WakeReason) => void): () => void {
  if (!installed) install(globalThis as Page);
  installed = true;
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function install(page: Page): void {
  page.addEventListener?.('online', () => tell('online'));
  // Also fires for a page that returns from the back/forward cache.
  page.addEventListener?.('pageshow', () => tell('visible'));
  page.document?.addEventListener('visibilitychange', () => {
    if (page.document?.visibilityState === 'visible') tell('visible');
  });
}

function tell(reason: WakeReason): void {
  for (const listener of [...listeners]) listener(reason);
}
