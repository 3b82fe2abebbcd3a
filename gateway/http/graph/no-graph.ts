import type { HttpResponse } from 'uWebSockets.js';
import { answerText, type Headers } from '../answer.js';

export const noGraphText =
  'There is no friends graph with --engine redis yet: use one process with the embedded engine for it, or send to each id.';

export function refuseGraph(response: HttpResponse, cors: Headers): void {
  answerText(response, '501 Not Implemented', noGraphText, cors);
}
