import { type Module, unindent } from './unindent.js';

/**
 * The client for pages as one module: 23 files would be as many requests, some of them after others. The bundle joins
 * the compiler's lines, without indentation and otherwise unchanged, so source maps hold.
 *
 * This needs three things of the client's modules: each import is one line, it uses the exported names, and no
 * top-level name exists in two modules. A test loads the bundle.
 */

const imports = /^(?:import|export) (?:\{.*\} from )?'\.\/(.+)';$/;
const exportedFrom = /^export \{(.*)\} from /;

/** @param entry its exports are those of the bundle */
export function bundleOf(modules: ReadonlyMap<string, Module>, entry: string): Module {
  const lines: string[] = [];
  const sections: { offset: { line: number; column: number }; map: unknown }[] = [];
  const exported: string[] = [];
  for (const name of inOrder(modules, entry)) {
    const { text, map } = unindent(modules.get(name)!);
    if (map !== undefined) sections.push({ offset: { line: lines.length, column: 0 }, map: JSON.parse(map) });
    for (const line of withoutComments(text).split('\n')) {
      const [, from] = exportedFrom.exec(line) ?? [];
      if (name === entry) exported.push(...namesOf(from), ...namesOf(/^export \w+ (\w+)/.exec(line)?.[1]));
      if (imports.test(line) || /^export \{\};$|^\/\/# sourceMappingURL=/.test(line)) lines.push('');
      else lines.push(line.replace(/^export /, '       ')); // the rest keeps its column
    }
  }
  lines.push(`export { ${exported.join(', ')} };`, '');
  return { text: lines.join('\n'), map: JSON.stringify({ version: 3, sections }) };
}

/** Names of modules, each after its imports. */
function inOrder(modules: ReadonlyMap<string, Module>, entry: string): Set<string> {
  const seen = new Set<string>();
  const done = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const line of modules.get(name)!.text.split('\n')) {
      const [, imported] = imports.exec(line) ?? [];
      if (imported !== undefined) visit(imported);
    }
    done.add(name);
  };
  visit(entry);
  return done;
}

/** Removes comments that are lines of their own, or end a line of code and have no quotes. Strings stay. */
function withoutComments(text: string): string {
  return text
    .replace(/^[ \t]*(?:\/\/(?!#).*|\/\*[\s\S]*?\*\/[ \t]*)$/gm, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/([;{},)]) \/\/ [^'"`\n]*$/gm, '$1');
}

function namesOf(list: string | undefined): string[] {
  return (list ?? '').split(',').flatMap((name) => name.trim() || []);
}
