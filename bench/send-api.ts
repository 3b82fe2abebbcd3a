import { compareSends, Publisher } from './send-load.js';

/**
 * What does a message through the send API cost? 50 keep-alive connections at full speed, each message to a
 * random id of 10,000 open streams: server CPU a message, beside the smallest uWebSockets.js program that does
 * the same, or another build. Other arguments are flags for the server: that program keeps no history. Server on core 0;
 * run this on core 1:
 *
 *     npm run build && taskset -c 1 node dist/bench/send-api.js [--beside /tmp/base/dist/cli/encke.js] [--history-rules '# 0 0']
 */

const publishers = 50;
const messages = 60_000;

await compareSends(9, async (server) => {
  const each = async () => {
    const publisher = await Publisher.connect(server);
    for (let n = 0; n < messages / publishers; n++) await publisher.send();
    publisher.close();
  };
  await Promise.all(Array.from({ length: publishers }, each));
  return messages;
});
