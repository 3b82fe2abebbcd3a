import type { Page } from 'playwright-core';

/** What the page complains about, and whatever it asks of anybody but this machine; a blob is MQTT.js's own timer, and the icon is in the page. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('request', (request) => {
    const here = /^(?:blob:)?https?:\/\/(127\.\d+\.\d+\.\d+|localhost):/.test(request.url());
    if (!here && !request.url().startsWith('data:')) complaints.push(request.url());
  });
  return complaints;
}
