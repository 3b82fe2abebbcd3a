import type { CloseReason } from '../close-reason.js';
import type { Config } from '../config.js';
import { frameBytesMax, frameBytesTaken } from './frame-size.js';
import { sizeDetails } from './size-details.js';

/** Where uWS itself has closed, it says so in a close that was none of the client's frames (1006, with a text). */
export function reasonOf(code: number, text: string): CloseReason {
  if (code === 1006 && text.includes('too big')) return 'packet-too-large';
  if (code === 1006 && text.includes('backpressure')) return 'answers-unread';
  return 'peer-closed';
}

/** For the log. The socket is closed already, and says no more where it came from. */
export function detailsOfEnd(reason: CloseReason, config: Config): Record<string, unknown> {
  if (reason !== 'packet-too-large') return {};
  const most = frameBytesTaken(config);
  return { ...sizeDetails(config, 'mqttMaxFrameSize', most, frameBytesMax(config)), bytes: `over ${most}` };
}
