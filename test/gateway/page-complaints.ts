import type { Page } from 'playwright-core';

/**
 * Errors of the page, and its requests to other machines. A blob is MQTT.js's own timer, and the icon is in the page.
 */
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
