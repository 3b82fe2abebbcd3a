import { codeOf } from '../error-code.js';
import { ProgressBar } from '../progress-bar.js';
import { CallError } from '../server-connection.js';
import { GraphApi } from './graph-api.js';
import { LineOutput } from './line-output.js';

const pageEdges = 10_000;
const whiteSpace = /\s/;

export async function exportGraph(file: string, url: URL, token: string | undefined): Promise<void> {
  const api = new GraphApi(url, token);
  let bar: ProgressBar | undefined;
  let written = 0;
  try {
    let page = await api.edges(undefined, pageEdges);
    const output = new LineOutput(file);
    const { count } = page;
    bar = new ProgressBar('edges', () => ({ done: written, share: written / Math.max(1, count) }));
    for (;;) {
      for (const [subscriber, subscribee] of page.edges) {
        const wait = output.line(lineOf(subscriber, subscribee));
        if (wait !== undefined) await wait;
      }
      written += page.edges.length;
      if (page.next === undefined) break;
      page = await api.edges(page.next, pageEdges);
    }
    await output.end();
    bar.stop();
    process.stderr.write(`${written.toLocaleString('en')} edges\n`);
  } catch (error) {
    bar?.stop();
    const why = error instanceof CallError ? error.message : `${file} cannot be written (${codeOf(error)}).`;
    process.stderr.write(`encke graph: ${why}\n`);
    process.exitCode = 1;
  } finally {
    await api.close();
  }
}

/** @returns a line `A B`, or a line of JSON where `A B` would be read as something else */
function lineOf(subscriber: string, subscribee: string): string {
  const isPlain = !whiteSpace.test(subscriber) && !whiteSpace.test(subscribee) && !/^[#{]/.test(subscriber);
  return isPlain ? `${subscriber} ${subscribee}` : JSON.stringify({ subscriber, subscribee });
}
