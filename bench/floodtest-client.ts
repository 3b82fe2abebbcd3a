/**
 * The question: what does one idle connection cost the client, and one received message, with undici, node:http and
 * bare node:net sockets? Starts a gateway, and for each client a process that opens connections and counts chunks.
 *
 *     node dist/bench/floodtest-client.js [connections]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Client } from 'undici';
import { startGateway } from '../test/gateway-process.js';

const CONNECTIONS = 10_000;
const WARM_UP_CONNECTIONS = 50;
const MESSAGES_PER_SEC = 5000;
const MESSAGES_FOR_SEC = 5;

const counted = { connected: 0, reads: 0 };
/** Holds what would otherwise be collected. */
const kept: object[] = [];

const requestOf = (id: number) => `GET /test/${id} HTTP/1.1\r\nHost: x\r\n\r\n`;

const onread = {
  buffer: Buffer.allocUnsafeSlow(64 * 1024),
  callback(this: BareSocket): boolean {
    if (this.greeted) counted.reads++;
    else counted.connected++;
    this.greeted = true;
    return true;
  },
};

class BareSocket extends Socket {
  readonly id: number;
  greeted = false;
  constructor(id: number) {
    super({ onread } as object);
    this.id = id;
    this.on('connect', onConnect).on('error', onError);
  }
}

function onConnect(this: BareSocket): void {
  this.write(requestOf(this.id), 'latin1');
}

function onError(error: Error): void {
  console.error(error.message);
  process.exit(1);
}

type Open = (url: URL, id: number) => void;

const CLIENTS: Record<string, { flags: string[]; open: Open }> = {
  'undici, request': { flags: [], open: openUndiciRequest },
  'undici, dispatch': { flags: [], open: openUndiciDispatch },
  'node:http': { flags: [], open: openHttp },
  'node:net, data event': { flags: [], open: openNetData },
  'node:net, shared buffer': { flags: [], open: openNetShared },
  'the same, --max-semi-space-size=2': { flags: ['--max-semi-space-size=2'], open: openNetShared },
  'the same, --max-semi-space-size=1': { flags: ['--max-semi-space-size=1'], open: openNetShared },
};

const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });

async function openUndiciRequest(url: URL, id: number): Promise<void> {
  const client = new Client(url.origin, { bodyTimeout: 0 });
  const { body } = await client.request({ method: 'GET', path: `/test/${id}` });
  body.once('data', () => counted.connected++).on('data', () => counted.reads++);
  kept.push(client);
}

function openUndiciDispatch(url: URL, id: number): void {
  const client = new Client(url.origin, { bodyTimeout: 0 });
  const onResponseError = (_: unknown, error: Error) => onError(error);
  const onResponseStart = () => void counted.connected++;
  const onResponseData = () => void counted.reads++;
  client.dispatch(
    { method: 'GET', path: `/test/${id}` },
    { onRequestStart() {}, onResponseStart, onResponseData, onResponseEnd() {}, onResponseError },
  );
  kept.push(client);
}

function openHttp(url: URL, id: number): void {
  const request = get({ agent, host: url.hostname, port: url.port, path: `/test/${id}` }, (response) => {
    counted.connected++;
    response.on('data', () => counted.reads++);
    kept.push(response);
  });
  request.on('error', onError);
}

function openNetData(url: URL, id: number): void {
  const socket = connect({ host: url.hostname, port: Number(url.port) });
  socket.on('connect', () => socket.write(requestOf(id))).on('error', onError);
  socket.once('data', () => counted.connected++).on('data', () => counted.reads++);
  kept.push(socket);
}

function openNetShared(url: URL, id: number): void {
  kept.push(new BareSocket(id).connect({ host: url.hostname, port: Number(url.port) }));
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const cpuUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

async function openAll(open: Open, url: URL, from: number, to: number): Promise<void> {
  for (let id = from; id < to; id++) {
    open(url, id);
    if (id % 20 === 0) await wait(5);
  }
  while (counted.connected < to) await wait(20);
}

/** In the process of a client: opens, reports what that took, and at `count` what the messages took. */
async function beClient(name: string, url: URL, connections: number): Promise<void> {
  const { open } = CLIENTS[name]!;
  await openAll(open, url, 0, WARM_UP_CONNECTIONS);
  await wait(500);
  const before = { rss: process.memoryUsage.rss(), cpuUs: cpuUs() };
  await openAll(open, url, WARM_UP_CONNECTIONS, WARM_UP_CONNECTIONS + connections);
  const openUs = (cpuUs() - before.cpuUs) / connections;
  await wait(1500);
  const bytes = (process.memoryUsage.rss() - before.rss) / connections;
  const atMessages = cpuUs();
  process.send!({ bytes, openUs });
  process.on('message', (messages: number) => {
    process.send!({ messageUs: (cpuUs() - atMessages) / messages });
    process.exit();
  });
}

async function send(apiUrl: string, connections: number): Promise<number> {
  const perRequest = MESSAGES_PER_SEC / 100;
  const startMs = performance.now();
  let requests = 0;
  for (; requests < MESSAGES_FOR_SEC * 100; requests++) {
    const line = (_: unknown, i: number) =>
      `{"id":"${(requests * perRequest + i) % connections}","data":"${'x'.repeat(64)}"}`;
    await fetch(`${apiUrl}/send`, {
      method: 'POST',
      body: Array.from({ length: perRequest }, line).join('\n'),
    });
    await wait(startMs + requests * 10 - performance.now());
  }
  return requests * perRequest;
}

async function measureAll(connections: number): Promise<void> {
  console.log('client                             | B a connection | µs CPU to open | µs CPU a message');
  for (const [name, { flags }] of Object.entries(CLIENTS)) {
    const gateway = await startGateway();
    const child = fork(fileURLToPath(import.meta.url), [name, gateway.url, String(connections)], {
      execArgv: flags,
    });
    const [idle] = (await once(child, 'message')) as [{ bytes: number; openUs: number }];
    child.send(await send(gateway.apiUrl, connections));
    const [busy] = (await once(child, 'message')) as [{ messageUs: number }];
    const figures = [idle.bytes.toFixed(0), idle.openUs.toFixed(0), busy.messageUs.toFixed(1)];
    console.log([name.padEnd(34), ...figures.map((figure) => figure.padStart(14))].join(' | '));
    await gateway.kill();
  }
}

const [, , first, url, connections] = process.argv;
if (url === undefined) await measureAll(Number(first ?? CONNECTIONS));
else await beClient(first!, new URL(url), Number(connections));
