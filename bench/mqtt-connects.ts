import { connect } from 'node:net';
import { resetSocket } from '../floodtest/reset-socket.js';
import { frame, upgradeRequest } from '../test/mqtt-bytes.js';

export interface ConnectsOptions {
  readonly count: number;
  /** The most connects that are under way at once. */
  readonly atOnceMax: number;
  /** Connects begin at this pace, whether those before are answered or not. Undefined: as fast as `atOnceMax` lets. */
  readonly ratePerSec?: number;
  /** Makes the CONNECT of the client with this number, from 0. */
  readonly packetOf: (n: number) => Buffer;
}

export interface ConnectsResult {
  readonly seconds: number;
  /** From CONNECT to CONNACK, sorted. */
  readonly connackMs: number[];
  /** CONNACKs that said no, and connections that ended before it. */
  readonly refused: number;
}

/**
 * MQTT clients that come and go: TCP, upgrade, CONNECT, CONNACK, reset. As cheap as a client can be, so that it is the
 * server that is measured.
 */
export class MqttConnects {
  readonly #port: number;
  readonly #buffer = Buffer.allocUnsafe(64 * 1024);
  /** All of 127.0.0.0/8 is this machine, and a server has limits by address. */
  readonly #network = `127.${byte()}.${byte()}`;

  constructor(port: number) {
    this.#port = port;
  }

  async run({ count, atOnceMax, ratePerSec, packetOf }: ConnectsOptions): Promise<ConnectsResult> {
    const connackMs: number[] = [];
    let refused = 0;
    let next = 0;
    const startedMs = performance.now();
    const lane = async () => {
      while (next < count) {
        const n = next++;
        const dueMs = ratePerSec === undefined ? undefined : startedMs + (n * 1000) / ratePerSec;
        if (dueMs !== undefined) await untilMs(dueMs);
        const tookMs = await this.#one(frame(packetOf(n)), `${this.#network}.${1 + (n % 250)}`);
        if (tookMs === undefined) refused++;
        else connackMs.push(tookMs);
      }
    };
    await Promise.all(Array.from({ length: atOnceMax }, lane));
    const seconds = (performance.now() - startedMs) / 1000;
    return { seconds, connackMs: connackMs.sort((one, other) => one - other), refused };
  }

  /** @returns undefined where it was refused */
  #one(connectFrame: Buffer, localAddress: string): Promise<number | undefined> {
    return new Promise((resolve) => {
      let sentMs: number | undefined;
      let took: number | undefined;
      const socket = connect({
        port: this.#port,
        host: '127.0.0.1',
        localAddress,
        noDelay: true,
        onread: {
          buffer: this.#buffer,
          callback: () => {
            if (sentMs === undefined) {
              sentMs = performance.now(); // the whole head, as nothing follows it before CONNECT
              socket.write(connectFrame);
            } else {
              const isAccepted = this.#buffer[2] === 0x20 && this.#buffer[5] === 0; // 82 04 20 02 xx code
              if (isAccepted) took = performance.now() - sentMs;
              resetSocket(socket);
            }
            return true;
          },
        },
      });
      socket.once('connect', () => socket.write(upgradeRequest));
      socket.on('error', () => {}); // 'close' follows
      socket.once('close', () => resolve(took));
    });
  }
}

export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}

async function untilMs(ms: number): Promise<void> {
  const leftMs = ms - performance.now();
  if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
}

function byte(): number {
  return 1 + Math.floor(Math.random() * 254);
}
