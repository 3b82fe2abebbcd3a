import { connect } from 'node:net';

/** Sends bytes as they are, and reads until the server closes. @param url the URL of the server @returns its answer */
export async function rawRequest(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

/** The first lines of an answer, and its body. */
export function headAndBody(answer: string): { head: string; body: string } {
  const [head = '', body = ''] = answer.split(/\r\n\r\n(.*)/s);
  return { head, body };
}
