import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import ts from 'typescript';
import { oneProcessFile } from '../one-process.js';

oneProcessFile('types alone; nothing runs');

/** Small programs against the types of `encke/client`, as an application compiles them. */

t.setTimeout(240_000);

const root = fileURLToPath(new URL('../../..', import.meta.url));

const plain = `
import {
  type ConnectOptions, type CursorStorage, type EnckeConnection, type Loss, type Message, type State, type StateDetail,
  type Since, type Transport, connect, CorsError, CrowdedError, GreetingMissedError, NoStreamingError, RefusedError,
  SilenceError, UnavailableError,
} from 'encke/client';

declare const wanted: { onLost?: (loss: Loss) => void; token?: string; transport?: Transport; since?: Since };
const storage: CursorStorage = { getItem: () => null, setItem() {}, removeItem() {} };
const options: ConnectOptions = {
  async onMessage({ id, data, time, cursor }: Message) {
    const text: string = typeof data === 'string' ? data : String(data.length);
    const more: [string, number, string | undefined] = [id + text, time, cursor];
    return more;
  },
  onLost: wanted.onLost,
  onRecovered: undefined,
  onState: (state: State, { transport, error, delayMs }: StateDetail) => void [state, transport, error?.message, delayMs],
  onError(error) {
    if (error instanceof RefusedError) error.status.toFixed();
    if (error instanceof UnavailableError) error.retryAfterMs?.toFixed();
    for (const kind of [CorsError, CrowdedError, GreetingMissedError, NoStreamingError, SilenceError]) void (error instanceof kind);
  },
  transport: wanted.transport,
  since: wanted.since,
  cursor: undefined,
  headers: async () => ({ Authorization: wanted.token ?? '' }),
  credentials: undefined,
  fetch: undefined,
  signal: undefined,
  share: false,
  storage,
  remember: undefined,
  greetingTimeoutMs: Infinity,
};
const connection: EnckeConnection = connect('https://push.example.com', ['a', 'b'] as const, options);
connection.add('c', { since: wanted.since }).then(() => connection.remove(['c']));
connection.reconnect();
const ids: readonly string[] = connection.ids;
connection.close();
connect('https://push.example.com', ids, { onMessage: () => {}, headers: { Authorization: 'x' } });
// @ts-expect-error: without onMessage
connect('https://push.example.com', 'a', {});
// @ts-expect-error: no such transport
connect('https://push.example.com', 'a', { onMessage() {}, transport: 'websocket' });
// @ts-expect-error: a header is a text
connect('https://push.example.com', 'a', { onMessage() {}, headers: { 'X-Own': 1 } });
`;

const withPlatform = `
import { connect } from 'encke/client';
const abort = new AbortController();
connect(new URL('https://push.example.com'), 'a', {
  onMessage: console.log,
  signal: abort.signal,
  fetch: globalThis.fetch,
});
connect('https://push.example.com', 'a', { onMessage: console.log, fetch: (url, init) => fetch(url, init) });
`;

const inPages = `${withPlatform}
connect('/', 'a', { onMessage: console.log, storage: localStorage, signal: AbortSignal.timeout(1000) });
`;

function problemsOf(t: Test, program: string, options: ts.CompilerOptions): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'encke-types-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const name of ['node_modules', 'dist', 'package.json'])
    symlinkSync(join(root, name), join(folder, name));
  const file = join(folder, 'program.ts');
  writeFileSync(file, program);
  const built = ts.createProgram([file], {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    skipLibCheck: false,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: [],
    ...options,
  });
  const files = built.getSourceFiles().map(({ fileName }) => fileName);
  t.ok(
    files.some((name) => name.endsWith('client/index.d.ts')),
    'the types are those that are published',
  );
  return ts
    .getPreEmitDiagnostics(built)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

t.test('without DOM and without Node, under exactOptionalPropertyTypes', async (t) => {
  t.same(problemsOf(t, plain, { lib: ['lib.es2022.d.ts'] }), []);
});

t.test('in a page', async (t) => {
  const lib = ['lib.es2022.d.ts', 'lib.dom.d.ts'];
  t.same(problemsOf(t, plain, { lib }), []);
  t.same(problemsOf(t, inPages, { lib }), []);
});

t.test('in Node', async (t) => {
  // The types of Node themselves do not all compile without those of the DOM.
  const options = {
    lib: ['lib.es2022.d.ts'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    skipLibCheck: true,
  };
  t.same(problemsOf(t, plain, options), []);
  t.same(problemsOf(t, withPlatform, options), []);
});
