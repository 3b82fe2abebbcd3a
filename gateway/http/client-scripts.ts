import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { answer, answerText, type Headers } from './answer.js';
import { bundleOf } from './client-bundle.js';
import type { FrontDoor } from './front-door.js';
import { bindPath } from './methods.js';
import type { Module } from './unindent.js';

/**
 * Serves the JavaScript client to pages: `/client.js` is the bundle, and its modules are under `/client/`. They are the
 * compiler's output. The gateway imports none of them.
 */

const compiled = new URL('../../client/', import.meta.url);

const headers: Headers = [
  // A new version appears only with the next start. Until then a browser's cached copy is valid.
  ['Cache-Control', 'no-cache'],
  // The scripts have no private data: pages of origins in --allow-origin may import them.
  ['Access-Control-Allow-Origin', '*'],
  ['Vary', 'Accept-Encoding'],
];

export function bindClientScripts(door: FrontDoor): void {
  const modules = readModules();
  if (modules.size === 0) return bindMissing(door);
  const bundle = bundleOf(modules, 'index.js');
  bindScript(door, '/client.js', 'client.js', bundle);
  for (const [name, module] of modules) bindScript(door, `/client/${name}`, name, module);
}

function bindScript(door: FrontDoor, path: string, name: string, { text, map }: Module): void {
  const plain = text.replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
  const script = map === undefined ? plain : `${plain}//# sourceMappingURL=${name}.map\n`;
  bindFile(door, path, 'text/javascript; charset=utf-8', script);
  if (map !== undefined) bindFile(door, `${path}.map`, 'application/json', map);
}

function bindFile(door: FrontDoor, path: string, type: string, text: string): void {
  const plain = Buffer.from(text);
  const zipped = gzipSync(plain, { level: 9 });
  // Weak, because it is the same with and without compression (RFC 9110 8.8.1).
  const tag = `W/"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
  const all: Headers = [['ETag', tag], ...headers];
  bindPath(door, path, {
    get: (response: HttpResponse, request: HttpRequest) => {
      if (request.getHeader('if-none-match').includes(tag.slice(2)))
        return answer(response, '304 Not Modified', all, undefined);
      const typed: Headers = [['Content-Type', type], ...all];
      if (!takesGzip(request)) return answer(response, '200 OK', typed, plain);
      answer(response, '200 OK', [['Content-Encoding', 'gzip'], ...typed], zipped);
    },
  });
}

function takesGzip(request: HttpRequest): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(request.getHeader('accept-encoding'));
}

function bindMissing(door: FrontDoor): void {
  for (const path of ['/client.js', '/client/*']) {
    bindPath(door, path, {
      get: (response) =>
        answerText(
          response,
          '404 Not Found',
          'The client is not built: run "npm run build" and start again.',
        ),
    });
  }
}

/** Some 100 KB in all, with their source maps. */
function readModules(): Map<string, Module> {
  try {
    const names = readdirSync(compiled);
    const read = (name: string) => readFileSync(new URL(name, compiled), 'utf8');
    const modules = names.filter((name) => name.endsWith('.js'));
    return new Map(
      modules.map((name) => {
        const map = names.includes(`${name}.map`) ? read(`${name}.map`) : undefined;
        return [name, { text: read(name), map }];
      }),
    );
  } catch {
    return new Map();
  }
}
