import type { Config } from '../config.js';
import { mebibyte } from '../setting.js';

type Sizes = Pick<Config, 'mqttMaxFrameSize' | 'mqttMaxPacketSize'>;

const frameBytesMaxDefault = 4 * mebibyte;

/** Frames so much larger are let in, to be refused with 1009 and a line in the log: past uWS's own limit it resets the connection. */
const refusedBytesMax = mebibyte;

/** --mqtt-max-frame-size, or its default. */
export function frameBytesMax({ mqttMaxFrameSize, mqttMaxPacketSize }: Sizes): number {
  return mqttMaxFrameSize || Math.max(frameBytesMaxDefault, 4 * mqttMaxPacketSize);
}

/** uWS's limit. */
export function frameBytesTaken(config: Sizes): number {
  const max = frameBytesMax(config);
  return max + Math.min(max, refusedBytesMax);
}
