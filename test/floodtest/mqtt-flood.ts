/** floodtest over MQTT in a process of its own. */
import { ToolProcess } from '../msggen/tool-process.js';
import { until } from '../until.js';

export function startFlood(urls: string[], flags: string): ToolProcess {
  const at = urls.flatMap((url) => ['--url', url]);
  return new ToolProcess(['floodtest', '--transport', 'mqtt-ws', '--json', ...at, ...flags.split(' ')]);
}

/** Waits for a line that says so, interrupts, and gives back the summary. */
export async function summaryAfter(tool: ToolProcess, said: string) {
  await until(`it says "${said}"`, () => `${tool.stderr} `.replaceAll('\n', ' ').includes(`${said} `));
  tool.child.kill('SIGINT');
  return tool.summary();
}
