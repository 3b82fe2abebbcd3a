import { readdirSync, readFileSync } from 'node:fs';
import { answer, answerText, type Headers } from './answer.js';
import type { FrontDoor } from './front-door.js';
import { bindPath } from './methods.js';

/**
 * The JavaScript client for pages: `/client.js`, and the modules that it imports under `/client/`. They are served as
 * the compiler has left them beside the gateway, which imports nothing of them.
 */

const compiled = new URL('../../client/', import.meta.url);

const headers: Headers = [
  ['Content-Type', 'text/javascript; charset=utf-8'],
  // A new version is there with the next start.
  ['Cache-Control', 'no-cache'],
  // They hold nothing of anybody's: a page of another origin, where --allow-origin lets it read streams, may import them.
  ['Access-Control-Allow-Origin', '*'],
];

const entry = `export * from './client/index.js';\n`;

export function bindClientScripts(door: FrontDoor): void {
  bindPath(door, '/client.js', { get: (response) => answer(response, '200 OK', headers, entry) });
  const scripts = readScripts();
  if (scripts.size === 0) return bindMissing(door);
  for (const [name, bytes] of scripts) {
    bindPath(door, `/client/${name}`, { get: (response) => answer(response, '200 OK', headers, bytes) });
  }
}

function bindMissing(door: FrontDoor): void {
  bindPath(door, '/client/*', {
    get: (response) =>
      answerText(response, '404 Not Found', 'The client is not built: run "npm run build" and start again.'),
  });
}

/** Some 20 KB in all. */
function readScripts(): Map<string, Buffer> {
  try {
    const names = readdirSync(compiled).filter((name) => name.endsWith('.js'));
    return new Map(names.map((name) => [name, readFileSync(new URL(name, compiled))]));
  } catch {
    return new Map();
  }
}
