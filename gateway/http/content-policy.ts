import { createHash } from 'node:crypto';

/** Tells a browser what a page may load and run: nothing that is not named here (Content Security Policy, level 3). */

const nothingElse = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const policyHeader = 'Content-Security-Policy';

export interface PageSources {
  /** The text of its style element. */
  readonly style: string;
  /** The texts of its inline scripts. */
  readonly scripts: readonly string[];
  /** Further sources, such as `'self'`. */
  readonly scriptsFrom?: readonly string[];
  readonly connectTo?: readonly string[];
  readonly workersFrom?: readonly string[];
}

/** Inline code runs only if its hash is listed: code that somebody brings into the page by a message never runs. */
export function pagePolicy({ style, scripts, scriptsFrom, connectTo, workersFrom }: PageSources): string {
  const directives = [
    nothingElse,
    'img-src data:', // the empty icon
    `style-src ${hashOf(style)}`,
    directive('script-src', [...(scriptsFrom ?? []), ...scripts.map(hashOf)]),
    directive('worker-src', workersFrom),
    directive('connect-src', connectTo),
  ];
  return directives.filter((text) => text !== '').join('; ');
}

function directive(name: string, sources: readonly string[] = []): string {
  return sources.length === 0 ? '' : `${name} ${sources.join(' ')}`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
