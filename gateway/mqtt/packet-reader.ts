import { isUtf8 } from 'node:buffer';

/**
 * Reads the fields of one packet's body in order. What is not there or not allowed sets `failed` and reads as empty:
 * bad input is a value, asked for once at the end, and never an exception. One reader serves all packets.
 */
export class PacketReader {
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #at = 0;
  #end = 0;
  #failed = false;

  open(bytes: Buffer, start: number, end: number): this {
    this.#bytes = bytes;
    this.#start = start;
    this.#at = start;
    this.#end = end;
    this.#failed = false;
    return this;
  }

  /** Something read so far was not well-formed. */
  get failed(): boolean {
    return this.#failed;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    if (!this.#has(1)) return 0;
    return this.#bytes[this.#at++]!;
  }

  uint16(): number {
    if (!this.#has(2)) return 0;
    const value = (this.#bytes[this.#at]! << 8) | this.#bytes[this.#at + 1]!;
    this.#at += 2;
    return value;
  }

  /** A packet id, which is never 0 [MQTT-2.3.1-1]. */
  packetId(): number {
    const id = this.uint16();
    if (id === 0) this.#failed = true;
    return id;
  }

  /** A UTF-8 encoded string: well-formed [MQTT-1.5.3-1], without NUL [MQTT-1.5.3-2], a BOM kept [MQTT-1.5.3-3]. */
  text(): string {
    const length = this.uint16();
    if (!this.#has(length)) return '';
    const start = this.#at;
    this.#at += length;
    let plain = true;
    for (let i = start; i < this.#at; i++) {
      const byte = this.#bytes[i]!;
      if (byte === 0) this.#failed = true;
      if (byte > 0x7f) plain = false;
    }
    if (plain) return this.#bytes.toString('latin1', start, this.#at);
    if (!isUtf8(this.#bytes.subarray(start, this.#at))) this.#failed = true;
    return this.#bytes.toString('utf8', start, this.#at);
  }

  /** Bytes with their length before them, copied to memory of their own: a slice of Node's pool would keep 8 KB alive. */
  binary(): Buffer {
    const length = this.uint16();
    if (!this.#has(length)) return noBytes;
    const copy = Buffer.allocUnsafeSlow(length);
    this.#bytes.copy(copy, 0, this.#at, this.#at + length);
    this.#at += length;
    return copy;
  }

  /** Where the next byte is, from the start of the body. */
  get offset(): number {
    return this.#at - this.#start;
  }

  /** The whole packet, copied: the receive buffer is not ours to keep. Its body starts `headerBytes` in. */
  copyPacket(headerBytes: number): Buffer {
    const start = this.#start - headerBytes;
    const copy = Buffer.allocUnsafe(this.#end - start);
    this.#bytes.copy(copy, 0, start, this.#end);
    return copy;
  }

  /** All that is left, alone in its memory. */
  rest(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(this.#at, this.#end));
  }

  #has(length: number): boolean {
    if (this.left >= length && !this.#failed) return true;
    this.#failed = true;
    return false;
  }
}

const noBytes = Buffer.alloc(0);
