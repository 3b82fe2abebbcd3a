import { type Module, unindent } from './unindent.js';

/**
 * The client for pages as one module: 23 files are as many requests, some only known when others have come. Nothing but
 * lines is put together, as the compiler has left them; so each keeps its place but for the indentation, and source maps hold.
 *
 * That works as each import of a module of the client is one line, under the names that are exported, and no name is
 * at the top level of two modules. A test loads it.
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
      else lines.push(line.replace(/^export /, '       ')); // what follows stays in its column
    }
  }
  lines.push(`export { ${exported.join(', ')} };`, '');
  return { text: lines.join('\n'), map: JSON.stringify({ version: 3, sections }) };
}

/** Each behind what it imports. */
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

/** Of those that have lines of their own, or end a line of code with no quote in them; what is in a text stays. */
function withoutComments(text: string): string {
  return text
    .replace(/^[ \t]*(?:\/\/(?!#).*|\/\*[\s\S]*?\*\/[ \t]*)$/gm, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/([;{},)]) \/\/ [^'"`\n]*$/gm, '$1');
}

function namesOf(list: string | undefined): string[] {
  return (list ?? '').split(',').flatMap((name) => name.trim() || []);
}
