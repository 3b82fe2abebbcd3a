import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { freePort } from '../free-port.js';
import { type GatewayProcess, startProcess } from '../gateway-process.js';
import { SeededRandom } from '../seeded-random.js';
import { until } from '../until.js';

/**
 * Kills a gateway with --data again and again, at moments that a seed chooses, while clients publish at QoS 1 and 2:
 *
 *     node dist/test/integration/kill-loop.js --seed 4711 --kills 1000
 *
 * Fault model: the process ends at any moment (SIGKILL), as often as asked for, also while it starts. The disk keeps
 * what it has confirmed. Clients keep their half of the sessions, and connections may break at any moment too.
 *
 * Promises: a message with PUBACK or PUBREC+PUBCOMP reaches the subscriber, whose session has clean session 0; at QoS 2
 * none reaches it twice, acknowledged or not; a retained message that was acknowledged is there, or a later one.
 */

const topics = { 1: 'loop/1', 2: 'loop/2' } as const;
const retainedTopic = 'loop/retained';
/** At most so many messages wait for their acknowledgement. */
const openMax = 200;

class Run {
  readonly #random: SeededRandom;
  readonly #directory = mkdtempSync(join(tmpdir(), 'encke-kills-'));
  readonly #ports: readonly string[];
  readonly #url: string;
  #gateway: GatewayProcess | undefined;
  #subscriber!: MqttClient;
  #publisher!: MqttClient;
  #sent = 0;
  #open = 0;
  #isPublishing = true;
  #retainedAcked = 0;
  readonly acked: Record<1 | 2, Set<number>> = { 1: new Set(), 2: new Set() };
  readonly received: Record<1 | 2, Map<number, number>> = { 1: new Map(), 2: new Map() };

  constructor(random: SeededRandom, port: number) {
    this.#random = random;
    this.#ports = ['--port', String(port)];
    this.#url = `ws://127.0.0.1:${port}/mqtt`;
  }

  async run(kills: number, log: (line: string) => void): Promise<string[]> {
    try {
      await this.#start();
      this.#subscriber = this.#connect('subscriber');
      this.#subscriber.on('message', (topic, payload) => this.#note(topic, Number(payload.toString())));
      await new Promise<void>((resolve) => this.#subscriber.once('connect', () => resolve()));
      await this.#subscriber.subscribeAsync({ [topics[1]]: { qos: 1 }, [topics[2]]: { qos: 2 } });
      this.#publisher = this.#connect('publisher');
      const publishing = this.#publish();
      for (let kill = 1; kill <= kills; kill++) {
        await this.#untilMoved();
        await sleep(this.#random.below(60));
        await this.#gateway!.kill();
        if (this.#random.chance(0.1)) await this.#killStarting();
        await this.#start();
        if (kill % 50 === 0) log(`${kill} kills, ${this.#sent} messages`);
      }
      this.#isPublishing = false;
      await publishing;
      await until('all is acknowledged', () => this.#open === 0, 60_000);
      const faults = [...(await this.#faults()), ...(await this.#retainedFaults())];
      log(`${kills} kills, ${this.#sent} messages, ${this.acked[1].size + this.acked[2].size} acknowledged`);
      return faults;
    } finally {
      this.#subscriber?.end(true);
      this.#publisher?.end(true);
      await this.#gateway?.kill();
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }

  async #start(): Promise<void> {
    const limits = ['--mqtt-max-mqueue', '100000', '--log-level', 'error'];
    this.#gateway = await startProcess({ flags: ['--data', this.#directory, ...this.#ports, ...limits] });
  }

  /** Kills a gateway while it starts. */
  async #killStarting(): Promise<void> {
    const started = this.#start().catch(() => undefined);
    await Promise.race([started, sleep(this.#random.below(400))]);
    await started;
    await this.#gateway!.kill();
  }

  #connect(clientId: string): MqttClient {
    const options: IClientOptions = { clientId, clean: false, reconnectPeriod: 20, connectTimeout: 10_000 };
    const client = connect(this.#url, options);
    client.on('error', () => undefined); // it comes again
    return client;
  }

  async #publish(): Promise<void> {
    while (this.#isPublishing) {
      for (let burst = this.#random.below(20); burst > 0 && this.#open < openMax; burst--) this.#publishOne();
      if (this.#random.chance(0.02)) this.#subscriber.stream.destroy();
      await sleep(this.#random.below(4));
    }
  }

  #publishOne(): void {
    const n = ++this.#sent;
    this.#open++;
    const done = (note: () => void) => (error?: Error | null) => {
      this.#open--;
      if (!error) note();
    };
    if (this.#random.chance(0.05)) {
      const noteRetained = () => {
        this.#retainedAcked = Math.max(this.#retainedAcked, n);
      };
      this.#publisher.publish(retainedTopic, String(n), { qos: 1, retain: true }, done(noteRetained));
      return;
    }
    const qos = this.#random.chance(0.5) ? 1 : 2;
    this.#publisher.publish(
      topics[qos],
      String(n),
      { qos },
      done(() => this.acked[qos].add(n)),
    );
  }

  #note(topic: string, n: number): void {
    const received = this.received[topic === topics[1] ? 1 : 2];
    received.set(n, (received.get(n) ?? 0) + 1);
  }

  /** Waits until something is acknowledged after the start, so that each kill meets work. */
  async #untilMoved(): Promise<void> {
    const before = this.acked[1].size + this.acked[2].size;
    await until('messages are acknowledged', () => this.acked[1].size + this.acked[2].size > before, 60_000);
  }

  async #faults(): Promise<string[]> {
    const lost = (qos: 1 | 2) => [...this.acked[qos]].filter((n) => !this.received[qos].has(n));
    await until('all has arrived', () => lost(1).length + lost(2).length === 0, 20_000).catch(
      () => undefined,
    );
    const doubled = [...this.received[2]].filter(([, times]) => times > 1).map(([n]) => n);
    return [
      ...lost(1).map((n) => `message ${n} at QoS 1 was acknowledged and is lost`),
      ...lost(2).map((n) => `message ${n} at QoS 2 was acknowledged and is lost`),
      ...doubled.map((n) => `message ${n} at QoS 2 came ${this.received[2].get(n)} times`),
    ];
  }

  async #retainedFaults(): Promise<string[]> {
    if (this.#retainedAcked === 0) return [];
    let kept = 0;
    const reader = connect(this.#url, { clean: true });
    reader.on('message', (_topic, payload) => {
      kept = Number(payload.toString());
    });
    await reader.subscribeAsync(retainedTopic);
    await until('the retained message comes', () => kept > 0, 10_000).catch(() => undefined);
    reader.end(true);
    return kept >= this.#retainedAcked ? [] : [`retained ${this.#retainedAcked} is lost: there is ${kept}`];
  }
}

/** @returns the faults found, each a sentence */
export async function runKills(seed: number, kills: number, log: (line: string) => void): Promise<string[]> {
  return new Run(new SeededRandom(seed), await freePort()).run(kills, log);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: { seed: { type: 'string' }, kills: { type: 'string', default: '1000' } },
  });
  const { seed } = new SeededRandom(values.seed === undefined ? undefined : Number(values.seed));
  console.log(`seed ${seed}`);
  const faults = await runKills(seed, Number(values.kills), console.log);
  for (const fault of faults) console.log(fault);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
