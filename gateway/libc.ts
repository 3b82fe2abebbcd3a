import { createRequire } from 'node:module';

/** Calls of the C library that neither Node nor uWebSockets has: options of sockets, by descriptor. */
export interface SocketCalls {
  /** @returns false when the system refused it */
  setOption(descriptor: number, level: number, name: number, value: number): boolean;
  /** @returns undefined when there is no such socket, or it has no such option */
  option(descriptor: number, level: number, name: number): number | undefined;
  /** Port of its own end. */
  localPort(descriptor: number): number | undefined;
  /** Address of its own end, as `peerAddress`. */
  localAddress(descriptor: number): string | undefined;
  /** Address of the other end in hex: 8 digits for IPv4 (mapped into IPv6 too), 32 for IPv6. */
  peerAddress(descriptor: number): string | undefined;
  /** Bytes that the other end has acknowledged since the connection began; undefined on kernels before 4.1. */
  bytesAcked(descriptor: number): number | undefined;
  /** Of an established TCP connection; undefined for anything else, or on kernels before 4.6. */
  activity(descriptor: number): SocketActivity | undefined;
  /** Shuts both directions down: to the program it looks as if the peer had closed. */
  shutDown(descriptor: number): void;
  /** Received and not read yet, bytes. */
  bytesUnread(descriptor: number): number | undefined;
  /** Written to the socket and not even sent yet, bytes. */
  bytesUnsent(descriptor: number): number | undefined;
}

export interface SocketActivity {
  /** Whether anything was sent on it. */
  readonly hasSent: boolean;
  /** Time since the last bytes were sent, or since it was accepted. */
  readonly sinceSentMs: number;
}

/** Linux's numbers; they are the same on x64 and arm64. */
export const socketLevel = { socket: 1, tcp: 6 } as const;
export const socketOption = {
  receiveBuffer: 8,
  acceptsConnections: 30,
  notSentLowat: 25,
  tcpInfo: 11,
} as const;

const siocInq = 0x541b;
const siocOutqNotSent = 0x894b;
const addressFamily = { ipv4: 2, ipv6: 10 } as const;
/** Offset of `tcpi_bytes_acked` in `struct tcp_info` (linux/tcp.h), the same since Linux 4.1. */
const bytesAckedAt = 120;
const tcpStateAt = 0;
const lastDataSentAt = 44;
const dataSegmentsOutAt = 156;
const established = 1;
const bothDirections = 2;

let loaded: SocketCalls | undefined;

/** The calls, after `loadSocketCalls`; undefined where there are none. */
export function socketCalls(): SocketCalls | undefined {
  return loaded;
}

/** Loads them, on Linux. @returns why there are none, as a sentence */
export async function loadSocketCalls(): Promise<string | undefined> {
  if (loaded !== undefined) return undefined;
  if (process.platform !== 'linux') return `Not on ${process.platform}.`;
  try {
    const { default: koffi } = await import('koffi');
    loaded = bind(koffi);
    return undefined;
  } catch (error) {
    return `koffi cannot be loaded: ${(error as Error).message}`;
  }
}

function bind(koffi: typeof import('koffi').default): SocketCalls {
  // The program itself, which is linked to glibc or musl. Both have these names.
  const libc = koffi.load(null);
  const setsockopt = libc.func('int setsockopt(int, int, int, void *, uint32_t)');
  const getsockopt = libc.func('int getsockopt(int, int, int, void *, void *)');
  const getsockname = libc.func('int getsockname(int, void *, void *)');
  const getpeername = libc.func('int getpeername(int, void *, void *)');
  const shutdown = libc.func('int shutdown(int, int)');
  const ioctl = libc.func('int ioctl(int, unsigned long, void *)');
  // Used by one call at a time.
  const value = Buffer.alloc(256);
  const length = Buffer.alloc(4);

  function got(call: () => number, room: number): number | undefined {
    length.writeUInt32LE(room);
    return call() === 0 ? length.readUInt32LE() : undefined;
  }
  return {
    setOption: (descriptor, level, name, to) => {
      value.writeInt32LE(to);
      return setsockopt(descriptor, level, name, value, 4) === 0;
    },
    option: (descriptor, level, name) =>
      got(() => getsockopt(descriptor, level, name, value, length), 4) === undefined
        ? undefined
        : value.readInt32LE(),
    localPort: (descriptor) =>
      got(() => getsockname(descriptor, value, length), 128) === undefined
        ? undefined
        : value.readUInt16BE(2),
    localAddress: (descriptor) =>
      got(() => getsockname(descriptor, value, length), 128) === undefined ? undefined : addressHex(value),
    peerAddress: (descriptor) =>
      got(() => getpeername(descriptor, value, length), 128) === undefined ? undefined : addressHex(value),
    bytesAcked: (descriptor) => {
      const size = got(
        () => getsockopt(descriptor, socketLevel.tcp, socketOption.tcpInfo, value, length),
        256,
      );
      return size === undefined || size < bytesAckedAt + 8
        ? undefined
        : Number(value.readBigUInt64LE(bytesAckedAt));
    },
    activity: (descriptor) => {
      const size = got(
        () => getsockopt(descriptor, socketLevel.tcp, socketOption.tcpInfo, value, length),
        256,
      );
      if (size === undefined || size < dataSegmentsOutAt + 4) return undefined;
      if (value.readUInt8(tcpStateAt) !== established) return undefined;
      const hasSent = value.readUInt32LE(dataSegmentsOutAt) > 0;
      return { hasSent, sinceSentMs: value.readUInt32LE(lastDataSentAt) };
    },
    shutDown: (descriptor) => void shutdown(descriptor, bothDirections),
    bytesUnread: (descriptor) => (ioctl(descriptor, siocInq, value) === 0 ? value.readInt32LE() : undefined),
    bytesUnsent: (descriptor) =>
      ioctl(descriptor, siocOutqNotSent, value) === 0 ? value.readInt32LE() : undefined,
  };
}

/**
 * Ends the process without the wait of Node for its thread pool, where a write may never end. Returns where there is no
 * such call.
 */
export function exitAtOnce(code: number): void {
  if (process.platform !== 'linux') return;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi').default;
    koffi.load(null).func('void _exit(int)')(code);
  } catch {
    // The process then ends when its reader reads.
  }
}

/** Of a `struct sockaddr`. */
function addressHex(socketAddress: Buffer): string | undefined {
  const family = socketAddress.readUInt16LE();
  if (family === addressFamily.ipv4) return socketAddress.toString('hex', 4, 8);
  if (family !== addressFamily.ipv6) return undefined;
  const hex = socketAddress.toString('hex', 8, 24);
  return hex.startsWith(mappedIpv4) ? hex.slice(24) : hex;
}

const mappedIpv4 = '00000000000000000000ffff';
