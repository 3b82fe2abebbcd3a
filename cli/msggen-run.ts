/** A run of `encke msggen`: preflight, live line, summary and exit code. */
import { randomBytes } from 'node:crypto';
import { Generator } from '../msggen/generator.js';
import { whyRefused } from '../msggen/global-name.js';
import { HttpLane } from '../msggen/http-lane.js';
import type { Lane, LaneOwner } from '../msggen/lane.js';
import { MqttLane } from '../msggen/mqtt-lane.js';
import { whyNobodyAnswers, whyNoMqtt, whyUnreachable } from '../msggen/preflight.js';
import { RedisLane } from '../msggen/redis-lane.js';
import { liveLine, type MsggenOptions, sendSummaryJson, sendSummaryText } from '../msggen/report.js';
import { FAILED_EXIT_CODE, type FailOn, verdictOf } from '../msggen/verdict.js';

function laneOf(asked: MsggenOptions): (index: number, owner: LaneOwner) => Lane {
  const { url, token, batch, wait, mqtt, redis, answerTimeoutMs } = asked;
  if (asked.transport === 'http')
    return (index, owner) => new HttpLane(index, owner, url, token, batch, wait, answerTimeoutMs);
  if (redis !== undefined)
    return (index, owner) => new RedisLane(index, owner, redis.address, redis.window, answerTimeoutMs);
  const run = randomBytes(3).toString('hex');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const server = {
    host,
    port: Number(url.port || (url.protocol === 'wss:' ? 443 : 80)),
    tls: url.protocol === 'wss:',
    hostHeader: url.host,
    path: url.pathname + url.search,
  };
  return (index, owner) =>
    new MqttLane(index, owner, { ...server, ...mqtt, clientId: `msggen-${run}-${index}` });
}

/** @returns the exit code */
export async function generate(asked: MsggenOptions, json: boolean, failOn?: FailOn): Promise<number> {
  const generator = new Generator(asked, laneOf(asked));
  const unreachable = await whyNotOpen(generator, asked);
  if (unreachable !== undefined) {
    console.error(unreachable);
    await generator.close();
    return 1;
  }
  const startedAt = new Date();
  const live = process.stderr.isTTY ? showLive(generator, asked) : undefined;
  // The first signal ends the run with its summary, the second ends the process.
  let interrupts = 0;
  const interrupt = () => (interrupts++ === 0 ? generator.stop() : process.exit(130));
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  await generator.run();
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  clearInterval(live);
  if (live !== undefined) process.stderr.write('\r\x1b[K');
  console.log(
    json ? JSON.stringify(sendSummaryJson(generator, asked, startedAt)) : sendSummaryText(generator, asked),
  );
  if (generator.sent === 0) {
    const why =
      generator.errorsTotal > 0
        ? 'the errors above say why'
        : `no answer came within the ${(generator.elapsedMs / 1000).toFixed(1)} s of the run`;
    console.error(`Nothing could be sent to ${asked.url.protocol}//${asked.url.host}: ${why}.`);
    return 1;
  }
  if (failOn === undefined) return 0;
  const verdict = verdictOf(failOn, {
    losses: { unanswered: generator.unanswered },
    errors: Object.fromEntries([...generator.errors].map(([kind, count]) => [`× ${kind}`, count])),
    latency: generator.latency,
  });
  for (const sentence of verdict) console.error(sentence);
  return verdict.length > 0 ? FAILED_EXIT_CODE : 0;
}

async function whyNotOpen(generator: Generator, asked: MsggenOptions): Promise<string | undefined> {
  const { transport, redis } = asked;
  if (transport === 'http') return whyUnreachable(asked.url, asked.token);
  const unanswered = redis === undefined ? undefined : await whyNobodyAnswers(redis.address);
  if (unanswered !== undefined) return unanswered;
  try {
    await generator.open();
    return undefined;
  } catch (error) {
    if (redis !== undefined) return whyRefused(redis.address.shards[0]!, redis.address, error);
    return whyNoMqtt(asked.url.href, (error as Error).message);
  }
}

function showLive(generator: Generator, asked: MsggenOptions): NodeJS.Timeout {
  let sentBefore = 0;
  return setInterval(() => {
    process.stderr.write(`\r\x1b[K${liveLine(generator, asked, generator.sent - sentBefore)}`);
    sentBefore = generator.sent;
    generator.latest.reset();
  }, 1000);
}
