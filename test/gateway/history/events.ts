/** Server-sent events read as HTML, section 9.2.6, says it, and by nothing of ours: the server's encoder is no witness of itself. */

export interface SentEvent {
  type: string;
  data: string;
  lastEventId: string;
}

export interface EventStreamContent {
  events: SentEvent[];
  comments: string[];
  retryMs: number | undefined;
  lastEventId: string;
}

export function readEventStream(bytes: Buffer): EventStreamContent {
  const text = new TextDecoder('utf-8').decode(bytes); // takes a BOM away, as the standard says
  const content: EventStreamContent = { events: [], comments: [], retryMs: undefined, lastEventId: '' };
  let data = '';
  let type = '';
  let lastEventId = '';
  const lines = text.split(/\r\n|\r|\n/);
  lines.pop(); // not ended yet
  for (const line of lines) {
    if (line === '') {
      content.lastEventId = lastEventId;
      if (data !== '') content.events.push({ type: type || 'message', data: data.slice(0, -1), lastEventId });
      data = '';
      type = '';
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) {
      content.comments.push(line.slice(1));
      continue;
    }
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') data += `${value}\n`;
    else if (field === 'event') type = value;
    else if (field === 'id' && !value.includes('\0')) lastEventId = value;
    else if (field === 'retry' && /^\d+$/.test(value)) content.retryMs = Number(value);
  }
  return content;
}
