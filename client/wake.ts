/** What happens to a page, and is a reason to try at once: it is online again, or somebody looks at it. */

export type WakeReason = 'online' | 'visible';

const listeners = new Set<(reason: WakeReason) => void>();
let installed = false;

interface Page {
  addEventListener?(type: string, listener: () => void): void;
  document?: { visibilityState: string; addEventListener(type: string, listener: () => void): void };
}

/** @returns a function that ends it. Where there is no page, nothing ever wakes */
export function onWake(listener: (reason: WakeReason) => void): () => void {
  if (!installed) install(globalThis as Page);
  installed = true;
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function install(page: Page): void {
  page.addEventListener?.('online', () => tell('online'));
  // A page that comes back from the back/forward cache is told by this, too.
  page.addEventListener?.('pageshow', () => tell('visible'));
  page.document?.addEventListener('visibilitychange', () => {
    if (page.document?.visibilityState === 'visible') tell('visible');
  });
}

function tell(reason: WakeReason): void {
  for (const listener of [...listeners]) listener(reason);
}
