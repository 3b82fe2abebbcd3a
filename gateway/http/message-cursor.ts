import { formatCursor } from '../../router/history/cursor.js';
import type { History } from '../../router/history/history.js';
import type { Message } from '../../router/message.js';

/** The cursor behind a message, for who reads its id alone; undefined where its id has no history. */
export type CursorOf = (message: Message) => string | undefined;

export function cursorsOf(history: Pick<History, 'epoch'>): CursorOf {
  return ({ offset }) => (offset === 0 ? undefined : formatCursor(history.epoch, [offset]));
}
