import type { Page } from 'playwright-core';

/** What the page complains about, and whatever it asks of anybody but this machine; a blob is MQTT.js's own timer. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // A browser asks for it by itself; that there is none is no complaint.
    const icon = message.location().url.endsWith('/favicon.ico');
    if (['error', 'warning'].includes(message.type()) && !icon) complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(?:blob:)?http:\/\/(127\.\d+\.\d+\.\d+|localhost):/.test(request.url()))
      complaints.push(request.url());
  });
  return complaints;
}
