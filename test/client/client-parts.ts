import type { Test } from 'tap';
import { HttpProxy } from './http-proxy.js';
import { Listener } from './listener.js';

/** A proxy in front of a gateway, and who listens with the client; gone when the test ends. */

export async function proxied(t: Test, { url }: { readonly url: string }): Promise<HttpProxy> {
  const proxy = await HttpProxy.to(url);
  t.teardown(() => proxy.close());
  return proxy;
}

export function listen(t: Test, ...given: ConstructorParameters<typeof Listener>): Listener {
  const listener = new Listener(...given);
  t.teardown(() => listener.connection.close());
  return listener;
}
