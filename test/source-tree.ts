import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The rooms whose files are the product; tests and benches are not among them. */
export const rooms = [
  'cli',
  'admin',
  'gateway',
  'access',
  'router',
  'store',
  'client',
  'msggen',
  'floodtest',
  'charts',
  'redis-access',
];

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** From the root of the repository, with its extension. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** Paths of our own files that it names after `from` or `import`; types count. */
  readonly imports: readonly string[];
}

/** All TypeScript files of some folders, by path. */
export function sourcesOf(folders: readonly string[]): Map<string, SourceFile> {
  const files = new Map<string, SourceFile>();
  for (const folder of folders) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const path = join(folder, name);
      const text = readFileSync(join(root, path), 'utf8');
      files.set(path, { path, text, lines: text.split('\n'), imports: importsOf(path, text) });
    }
  }
  return files;
}

function importsOf(path: string, text: string): string[] {
  const named = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
  const ours = named.filter((name) => name.startsWith('.'));
  return ours.map((name) => normalize(join(dirname(path), name)).replace(/\.js$/, '.ts'));
}

/** Names that a file declares and exports; what it only passes on is not its own. */
export function exportedNames(text: string): string[] {
  const declared =
    /^export (?:declare )?(?:abstract )?(?:async )?(?:class|function\*?|const|let|interface|type|enum) (\w+)/gm;
  return [...text.matchAll(declared)].map((match) => match[1]!);
}

/** Groups of files that import each other, directly or by way of others (Tarjan's strongly connected components). */
export function circlesOf(files: ReadonlyMap<string, SourceFile>): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (path: string): void => {
    order.set(path, order.size);
    low.set(path, order.get(path)!);
    stack.push(path);
    for (const imported of files.get(path)!.imports) {
      if (!files.has(imported)) continue;
      if (!order.has(imported)) {
        visit(imported);
        low.set(path, Math.min(low.get(path)!, low.get(imported)!));
      } else if (stack.includes(imported)) {
        low.set(path, Math.min(low.get(path)!, order.get(imported)!));
      }
    }
    if (low.get(path) !== order.get(path)) return;
    const circle = stack.splice(stack.indexOf(path));
    if (circle.length > 1 || files.get(path)!.imports.includes(path)) circles.push(circle.sort());
  };
  for (const path of files.keys()) if (!order.has(path)) visit(path);
  return circles;
}
