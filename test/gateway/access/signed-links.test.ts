import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { secret } from '../../access/tokens.js';
import { encke } from '../../cli/encke.js';
import { startGateway } from '../../gateway-process.js';

/** Links that `encke token --link` prints lead to one id, where the gateway takes tokens from the query. */

t.setTimeout(120_000);

const file = join(t.testdir({}), 'secret');
writeFileSync(file, secret);
const gateway = await startGateway({
  flags: ['--auth', 'jwt', '--auth-jwt-secret-file', file, '--auth-jwt-query', 'access_token'],
});
t.teardown(() => gateway.kill());

async function linkTo(id: string, ...flags: string[]): Promise<URL> {
  const args = ['token', '--secret-file', file, '--id', id, '--link', `${gateway.url}/poll`, ...flags];
  const { code, stdout, stderr } = await encke(args, { timeoutMs: 60_000 });
  t.equal(code, 0, stderr);
  return new URL(stdout.trim());
}

async function statusOf(link: URL, id?: string): Promise<number> {
  const url = new URL(link);
  url.searchParams.set('timeout', '0');
  if (id !== undefined) url.searchParams.set('id', id);
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.status;
}

t.test('a link leads to its id, whatever it is called, and to no other', async (t) => {
  for (const id of ['room/7', '..', 'a b&c=d', 'Größe/日本']) {
    const link = await linkTo(id);
    t.equal(await statusOf(link), 204, id);
    t.equal(await statusOf(link, 'room/8'), 403);
  }
});

t.test('it ends with its token, and the parameter is that of the gateway', async (t) => {
  const other = await linkTo('room/7', '--query', 'other');
  t.match(other.search, /&other=/);
  t.equal(await statusOf(other), 401, 'the gateway reads another one');
  const altered = await linkTo('room/7');
  altered.searchParams.set('access_token', `${altered.searchParams.get('access_token')}x`);
  t.equal(await statusOf(altered), 401);
});
