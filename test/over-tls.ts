import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { plainNode } from './child-processes.js';
import { Authority } from './gateway/cluster/certificates.js';

const tests = fileURLToPath(new URL('.', import.meta.url));
/** Of one part; a busy machine takes three times as long as a quiet one. */
const timeoutMs = 230_000;
/** Without tap's module hooks, which take a second of CPU a file. */
const [command, ...args] = plainNode;

/** Test files once more, each as a process of its own, with TLS on all listeners. @param names below test/ */
export async function overTls(...names: string[]): Promise<void> {
  t.setTimeout(timeoutMs);
  const directory = mkdtempSync(join(tmpdir(), 'encke-over-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const authority = new Authority(directory, 'ca');
  const { certFile, keyFile } = authority.issue('server', 'IP:127.0.0.1,DNS:localhost');
  cpSync(certFile, join(directory, 'cert.pem'));
  cpSync(keyFile, join(directory, 'key.pem'));
  const env = { ...process.env, ENCKE_TEST_TLS: directory, NODE_EXTRA_CA_CERTS: authority.file };
  for (const name of names) {
    await t.spawn(command, [...args, `${tests}${name}.test.js`], { env }, `${name} over TLS`);
  }
}
