import type { CloseReason } from '../close-reason.js';
import type { Config } from '../config.js';
import type { Channels } from './channels.js';
import type { Rewrite } from './rewrite.js';
import { sizeDetails } from './size-details.js';

/** @returns why a PUBLISH, or a CONNECT with a will, of this topic ends its connection; the log has sizes and settings */
export function refusedTopic(
  channels: Channels,
  rewrite: Rewrite,
  asked: string,
  config: Config,
): CloseReason {
  const { problem, topic } = rewrite.problemOfTopic(asked);
  switch (problem) {
    case 'too-long':
      return channels.because('topic-too-large', sizeDetails(config, 'idBytesMax', Buffer.byteLength(topic)));
    case 'too-many-levels': {
      const levels = topic.split('/').length;
      return channels.because('topic-too-large', { levels, ...sizeDetails(config, 'topicLevelsMax') });
    }
    case 'control-character':
      return channels.because('control-characters', {
        topic: JSON.stringify(topic.slice(0, 100)),
        ...sizeDetails(config, 'allowControlCharacters'),
      });
    default:
      return 'malformed-packet';
  }
}
