import { type Browser, chromium } from 'playwright-core';
import { findOrInstall } from './debian-package.js';

/** A real Chromium for tests, the one of the operating system; playwright-core brings none. */

const flags = [
  '--headless',
  '--no-sandbox', // root has no sandbox, and the pages are our own
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * @param further flags, such as --host-resolver-rules
 * @returns the browser, or a sentence that says why there is none
 */
export async function openChromium(...further: string[]): Promise<Browser | { missing: string }> {
  const found = await findOrInstall('chromium', 'chromium');
  if ('missing' in found) return found;
  return chromium.launch({ executablePath: found.path, args: [...flags, ...further] });
}
