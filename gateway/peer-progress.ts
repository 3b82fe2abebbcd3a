import { type SocketCalls, socketCalls } from './libc.js';

/** Descriptors that are looked at in one turn: 1 ms. */
const descriptorsPerTurn = 1_000;

/**
 * Asks the kernel whether slow peers take anything: how many bytes they have acknowledged since the last look. uWS says
 * "writable" only now and then, and not at all while a slow but living reader takes less than a piece. uWS does not tell the descriptor
 * of a connection, so sockets are found by their peer's address, and by what is unsent on them; of several such from one
 * address one that moves will do.
 */
export class PeerProgress {
  readonly #descriptorsMax: () => number;
  /** Of a socket that is behind: others from the same address have their bytes acknowledged all the time. */
  readonly #unsentBytesMin: number;
  /** Of sockets with something to send, by descriptor, at the last look. */
  #acked = new Map<number, number>();
  #looking = false;

  /**
   * @param descriptorsMax all descriptors are below this
   * @param unsentBytesMax TCP_NOTSENT_LOWAT: with half of that unsent a socket is not writable; 0 = the system's
   */
  constructor(descriptorsMax: () => number, unsentBytesMax: number) {
    this.#descriptorsMax = descriptorsMax;
    this.#unsentBytesMin = Math.max(1, unsentBytesMax / 4);
  }

  /**
   * Looks, over some turns of the loop. Does nothing while it is still looking, or where the system does not tell.
   * @param addresses in text form
   * @param onMoved called for each address from which something was acknowledged since the last look
   */
  look(addresses: ReadonlySet<string>, onMoved: (address: string) => void): void {
    const calls = socketCalls();
    if (calls === undefined || this.#looking) return;
    this.#looking = true;
    const wanted = new Map([...addresses].map((address) => [hexOf(address), address]));
    const acked = new Map<number, number>();
    const moved = new Set<string>();
    const step = (from: number): void => {
      const end = Math.min(from + descriptorsPerTurn, this.#descriptorsMax());
      for (let descriptor = from; descriptor < end; descriptor++) {
        const address = wanted.get(calls.peerAddress(descriptor) ?? '');
        if (address !== undefined && this.#hasMoved(calls, descriptor, acked)) moved.add(address);
      }
      if (end < this.#descriptorsMax()) return void setImmediate(step, end);
      this.#acked = acked;
      this.#looking = false;
      for (const address of moved) onMoved(address);
    };
    step(0);
  }

  #hasMoved(calls: SocketCalls, descriptor: number, acked: Map<number, number>): boolean {
    if ((calls.bytesUnsent(descriptor) ?? 0) < this.#unsentBytesMin) return false;
    const now = calls.bytesAcked(descriptor);
    if (now === undefined) return false;
    acked.set(descriptor, now);
    const before = this.#acked.get(descriptor);
    return before !== undefined && now > before;
  }
}

/** As `SocketCalls.peerAddress` has it. uWS writes IPv6 in full: eight groups of four digits. */
function hexOf(address: string): string {
  const bytes = address.includes(':')
    ? Buffer.from(address.replaceAll(':', ''), 'hex')
    : Buffer.from(address.split('.').map(Number));
  return plainHex(bytes);
}

const mappedIpv4 = '00000000000000000000ffff';

function plainHex(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return hex.length === 32 && hex.startsWith(mappedIpv4) ? hex.slice(24) : hex;
}
