import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ConfigError, readConfig } from '../../gateway/config.js';

/** Config files, which go with the test. */

export const dir = mkdtempSync(join(tmpdir(), 'encke-cli-'));
t.teardown(() => rmSync(dir, { recursive: true }));
let files = 0;

export function configFile(content: unknown): string {
  const path = join(dir, `config-${files++}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** The error of readConfig for this file; '' if it is accepted. */
export function problemOf(file: string, flags: Record<string, unknown> = {}): string {
  try {
    readConfig({ file, flags, environment: {} });
    return '';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}
