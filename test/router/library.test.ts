import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import ts from 'typescript';

/** The example in the doc comment of router/index.ts, compiled and run as a user of the package would. */

const root = fileURLToPath(new URL('../../..', import.meta.url));

// Inside the package, where 'encke/router' is resolved by the "exports" of its own package.json.
mkdirSync(join(root, 'dist'), { recursive: true });
const dir = mkdtempSync(join(root, 'dist', 'library-'));
t.teardown(() => rmSync(dir, { recursive: true }));

function exampleOf(source: string): string {
  const comment = /\/\*\*[\s\S]*?\*\//.exec(source)![0];
  const text = comment.replace(/^ ?\/?\*+ ?\/?/gm, '');
  return /```ts\n([\s\S]*?)```/.exec(text)![1]!;
}

/** Everything the compiler has against these files, with the strictness of a user who means it, by file name. */
function compile(...files: string[]): Map<string, string[]> {
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    outDir: dir,
    rootDir: dir,
  });
  const problems = new Map(files.map((file) => [file, [] as string[]]));
  for (const { file, messageText } of [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics]) {
    problems.get(file?.fileName ?? files[0]!)?.push(ts.flattenDiagnosticMessageText(messageText, '\n'));
  }
  return problems;
}

/** Runs a module that is loaded first and says what each `send` returned; the example itself stays as it is. */
const spy = `
  import { Router } from 'encke/router';
  const { send } = Router.prototype;
  Router.prototype.send = function (...args) {
    const delivered = send.apply(this, args);
    console.log(JSON.stringify({ args, delivered }));
    return delivered;
  };
`;

function run(file: string): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--import', join(dir, 'spy.mjs'), file],
      { cwd: dir, timeout: 20_000 },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

const example = exampleOf(readFileSync(join(root, 'router/index.ts'), 'utf8'));

t.test('the example names the package as a user does, and says what each send returns', async (t) => {
  t.match(example, "from 'encke/router'");
  t.equal(example.match(/router\.send\(.*\); \/\/ \d+$/gm)?.length, 2);
});

t.test('the example compiles against the types that the package exports', async (t) => {
  const [right, wrong] = [join(dir, 'example.mts'), join(dir, 'mistake.mts')];
  writeFileSync(right, example);
  writeFileSync(wrong, example.replace("router.login('user/123', inbox)", 'router.login(123, inbox)'));
  const problems = compile(right, wrong);
  t.same(problems.get(right), []);
  t.match(problems.get(wrong), [/'number' is not assignable to .*'string'/], 'and the types find a mistake');
});

t.test('the example runs, and each send returns what it says', async (t) => {
  writeFileSync(join(dir, 'spy.mjs'), spy);
  const { code, stdout, stderr } = await run(join(dir, 'example.mjs'));
  t.equal(stderr, '');
  t.equal(code, 0, 'it ends by itself');
  const sends = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const said = [...example.matchAll(/router\.send\('(.*)', '(.*)'\); \/\/ (\d+)$/gm)].map(
    ([, id, text, delivered]) => ({ args: [id, text], delivered: Number(delivered) }),
  );
  t.same(sends, said);
  t.same(
    sends.map(({ delivered }) => delivered),
    [1, 0],
  );
});

t.test('the package exports the router and nothing of the inside', async (t) => {
  const { Router, Subscriber, Message, InvalidIdError } = await import('encke/router' as string);
  for (const one of [Router, Subscriber, Message, InvalidIdError]) t.type(one, 'function');
  for (const inside of ['encke', 'encke/gateway', 'encke/dist/router/router.js', 'encke/router/router.js']) {
    const error = await import(inside).catch((reason) => reason);
    // Node has it in the code; under the loader of tap's first run after an install it is in the message.
    t.match(`${error.code} ${error.message}`, /ERR_PACKAGE_PATH_NOT_EXPORTED/, inside);
  }
});
