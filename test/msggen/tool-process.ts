/** One of the tools in a process of its own, through the door a user takes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { plainNode } from '../child-processes.js';

const DOOR = fileURLToPath(new URL('../../cli/encke.js', import.meta.url));

export class ToolProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(args: string[], environment: NodeJS.ProcessEnv = {}) {
    const [program, ...itsArgs] = plainNode;
    this.child = spawn(program, [...itsArgs, DOOR, ...args], { env: { ...process.env, ...environment } });
    this.child.stdout!.on('data', (text) => {
      this.stdout += text;
    });
    this.child.stderr!.on('data', (text) => {
      this.stderr += text;
    });
  }

  /** @returns the exit code */
  async ended(): Promise<number | null> {
    await once(this.child, 'close');
    return this.child.exitCode;
  }

  /** Waits for the end. @returns the JSON object it printed */
  // biome-ignore lint/suspicious/noExplicitAny: what the summary holds is for the tests to say
  async summary(): Promise<any> {
    await this.ended();
    return JSON.parse(this.stdout);
  }
}

export async function runTool(args: string[], environment?: NodeJS.ProcessEnv) {
  const tool = new ToolProcess(args, environment);
  const exitCode = await tool.ended();
  return { exitCode, stdout: tool.stdout, stderr: tool.stderr };
}
