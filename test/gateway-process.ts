import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { killAtExit, plainNode } from './child-processes.js';
import { onTwoNodes } from './one-process.js';
import { tlsFlags } from './tls-run.js';

/** A real `encke start` in a process of its own, on free ports, for tests and benchmarks. */

const door = fileURLToPath(new URL('../cli/encke.js', import.meta.url));

/** USER_HZ of every Linux that Node runs on. */
const clockTicksPerSec = 100;

export interface GatewayProcessOptions {
  /** Further flags of `encke start`, or of the role. */
  flags?: string[];
  environment?: NodeJS.ProcessEnv;
  /** Of Node, such as --max-old-space-size=128. */
  nodeFlags?: string[];
  /** Pin to this core. */
  cpu?: number;
  /** Half of the work alone. Default: both. */
  role?: 'gateway' | 'router';
  /** Another program that prints `gateway <url>` and `router API <url>` lines, instead of Encke. */
  program?: string;
  /** In the place of standard error; `log` stays empty then. */
  stderr?: number | Socket;
}

export class GatewayProcess {
  readonly child: ChildProcess;
  /** Empty for a router alone. */
  readonly url: string;
  readonly apiUrl: string;
  /** Empty unless the flags ask for the operator's listener. */
  readonly adminUrl: string;
  readonly #log: string[];

  constructor(child: ChildProcess, url: string, apiUrl: string, log: string[], adminUrl = '') {
    this.child = child;
    this.url = url;
    this.apiUrl = apiUrl;
    this.adminUrl = adminUrl;
    this.#log = log;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get apiPort(): number {
    return Number(new URL(this.apiUrl).port);
  }

  /** Everything it has written to standard error so far. */
  get log(): string {
    return this.#log.join('');
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  get rssBytes(): number {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))![1];
    return Number(kib) * 1024;
  }

  /** User and system time since its start. */
  get cpuSec(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / clockTicksPerSec;
  }

  /** Open descriptors. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Where publishers connect whose messages are for who is connected to `port`: another node, where there are two. */
  get publisher(): GatewayProcess {
    return this;
  }

  /** Resolves when what has been published before, and is acknowledged, is with who is connected to `port`. */
  async arrived(): Promise<void> {}

  // biome-ignore lint/suspicious/noExplicitAny: what /stats holds is for the tests to say
  async stats(): Promise<any> {
    return (await fetch(`${this.apiUrl}/stats`)).json();
  }

  async send(id: string, body: string | Uint8Array): Promise<number> {
    const response = await fetch(`${this.apiUrl}/send/${id}`, { method: 'POST', body: body as never });
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    return ((await response.json()) as { delivered: number }).delivered;
  }

  /** Waits for the process to end. @returns exit code, or the signal that ended it */
  async ended(): Promise<number | string> {
    if (this.alive) await once(this.child, 'exit');
    return this.child.exitCode ?? this.child.signalCode!;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | string> {
    this.child.kill(signal);
    return this.ended();
  }
}

/** One process; or two nodes in its place, where ENCKE_TEST_NODES is 2. */
export async function startGateway(options: GatewayProcessOptions = {}): Promise<GatewayProcess> {
  const { startPair } = onTwoNodes ? await import('./node-pair.js') : { startPair: startProcess };
  return startPair(options);
}

/**
 * Without `ENCKE_TEST_*`, which is for tests: the server refuses a variable that it does not know. In tests, connections of
 * one client id end more often in a minute than those of clients do; the default is tried in flapping.test.ts.
 */
function environmentOfServers(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('ENCKE_TEST_'));
  return { ENCKE_MQTT_FLAPPING_MAX_COUNT: '0', ...Object.fromEntries(entries) };
}

export async function startProcess(options: GatewayProcessOptions = {}): Promise<GatewayProcess> {
  const flags = options.flags ?? [];
  const given = (flag: string) => flags.includes(flag);
  const { role } = options;
  const ports = [
    ...(given('--port') || role === 'router' ? [] : ['--port', '0']),
    ...(given('--api-port') ? [] : ['--api-port', '0']),
    // By default the first of several would have the one port, and the others would have none.
    ...(options.program !== undefined || flags.some((flag) => flag.startsWith('--admin'))
      ? []
      : ['--admin', 'false']),
  ];
  const node = [...plainNode, ...(options.nodeFlags ?? [])];
  const command = [...node, options.program ?? door, role ?? 'start', ...ports, ...tlsFlags, ...flags];
  const pinned = options.cpu === undefined ? command : ['taskset', '-c', String(options.cpu), ...command];
  const child = spawn(pinned[0]!, pinned.slice(1), {
    env: { ...environmentOfServers(), ...options.environment },
    stdio: ['ignore', 'pipe', options.stderr ?? 'pipe'],
  });
  killAtExit(child);
  const log: string[] = [];
  child.stderr?.on('data', (text) => log.push(String(text)));
  let said = '';
  const urls = await new Promise<[string, string]>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it listened: ${log.join('')}`)));
    child.stdout!.on('data', (text) => {
      said += text;
      const url = /gateway +(http\S+)/.exec(said)?.[1] ?? (role === 'router' ? '' : undefined);
      const apiUrl = /(?:router API|probes) +(http\S+)/.exec(said)?.[1];
      if (url !== undefined && apiUrl !== undefined) resolve([url, apiUrl]);
    });
  });
  const adminUrl = /operators +(http\S+)/.exec(said)?.[1];
  return new GatewayProcess(child, urls[0], urls[1], log, adminUrl);
}
