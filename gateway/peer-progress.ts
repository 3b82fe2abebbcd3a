import { type SocketCalls, socketCalls } from './libc.js';

/** Descriptors that are looked at in one turn: 1 ms. */
const descriptorsPerTurn = 1_000;

/**
 * Asks the kernel how many bytes slow peers have acknowledged since the last look. uWS reports "writable" only now and
 * then, and never while a slow reader takes less than a piece. uWS does not tell the descriptor of a connection. So
 * sockets are found by the peer's address and by unsent bytes. Of several such sockets from one address, one that moves
 * is enough.
 */
export class PeerProgress {
  readonly #descriptorsMax: () => number;
  /** Unsent bytes from which a socket counts as slow: fast sockets of the same address move all the time. */
  readonly #unsentBytesMin: number;
  /** Acknowledged bytes at the last look, by descriptor, of sockets with unsent bytes. */
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
   * Looks, over some turns of the loop. Does nothing while a look is running, or where the system does not tell.
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

/** In the form of `SocketCalls.peerAddress`. uWS writes IPv6 in full: eight groups of four digits. */
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
