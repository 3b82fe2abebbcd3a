/** The output of a run: a line a second, a summary to read, or the same as one JSON object. */
import { formatLatency, type LatencyHistogram, latencyText } from '../msggen/latency.js';
import { LATE_AFTER_MS } from '../msggen/schedule.js';
import { EVERYTHING_ROW, type Reasons, ROW_NAMES } from './counts.js';
import type { Flood, FloodOptions } from './flood.js';
import type { MqttPlan } from './mqtt-plan.js';
import type { GatewayTarget } from './plan.js';
import type { Context, Row } from './recording.js';

export function rowLine({ elapsedSec, counts, latency, everything, server, bandwidth }: Row): string {
  const parts = [
    `${Math.round(elapsedSec)} s`.padStart(8),
    `connected ${counts.connected}`,
    `closed ${counts.closed}`,
    `chunks ${counts.chunks}`,
  ];
  if (counts.published > 0) parts.push(`published ${counts.published}`);
  if (everything.messages > 0) parts.push(`everything ${everything.messages}`);
  if (counts.disconnected > 0) parts.push(`disconnected ${counts.disconnected}`);
  if (counts.unsubscribed > 0) {
    parts.push(`unsubscribed ${counts.unsubscribed}`, `resubscribed ${counts.resubscribed}`);
  }
  if (counts.receivedUnsubscribed > 0) parts.push(`received unsubscribed ${counts.receivedUnsubscribed}`);
  if (counts.cut > 0) parts.push(`cut ${counts.cut}`, `resumed ${counts.resumed}`);
  if (counts.unrecovered > 0) parts.push(`not recovered ${counts.unrecovered}`);
  if (counts.refused > 0) parts.push(`refused ${counts.refused}`);
  if (counts.failed > 0) parts.push(`failed ${counts.failed}`);
  if (latency.total > 0) parts.push(`p99 ${latencyText(latency.percentileMs(99))} ms`);
  const { receivedBytesPerSec, sentBytesPerSec } = bandwidth;
  if (counts.bytesSent > 0)
    parts.push(`in ${kilobytes(receivedBytesPerSec)}/s`, `out ${kilobytes(sentBytesPerSec)}/s`);
  if (server !== undefined) parts.push(`server ${megabytes(server.rssBytes)}`);
  return parts.join('  ');
}

export function floodSummaryText(flood: Flood, options: FloodOptions): string {
  const { counts } = flood;
  const { share } = options;
  const lines = [
    `connections  ${share.connections} asked, ${flood.connectedAtMost} open at most, ${counts.connected} open at the end`,
    `closed       ${counts.closed}${reasonsIn(flood.closures)}`,
    ...(share.mqtt.lives === undefined
      ? []
      : [`disconnected ${counts.disconnected} at the end of their life, and others came in their place`]),
    ...resubscriptionsOf(flood, options),
    ...resumesOf(flood, options),
    `refused      ${counts.refused}${reasonsIn(flood.refusals)}`,
    `failed       ${counts.failed}${reasonsIn(flood.failures)}`,
    `chunks       ${counts.chunks}`,
    `bandwidth    ${megabytes(counts.bytesReceived)} received, ${kilobytes(counts.bytesReceived / flood.elapsedSec)}/s; ${megabytes(counts.bytesSent)} sent, ${kilobytes(counts.bytesSent / flood.elapsedSec)}/s`,
    ...(share.mqtt.devices === undefined
      ? []
      : [
          `published    ${counts.published} messages from ${share.mqtt.devices.count} devices${counts.unpublished === 0 ? '' : `; ${counts.unpublished} were due when the device could not publish`}${counts.unacknowledged === 0 ? '' : `; ${counts.unacknowledged} are not acknowledged`}`,
        ]),
    ...(isOwnLimit(flood) ? [ownLimitLine(flood)] : []),
    `received     ${counts.messages} messages on ${counts.reached} connections, ${counts.stamped} of them stamped, from ${flood.publishers} publisher${flood.publishers === 1 ? '' : 's'}`,
  ];
  if (counts.stamped > 0) {
    lines.push(
      `lost         ${counts.lost}`,
      `duplicated   ${counts.duplicated}${counts.redelivered === 0 ? '' : `, and ${counts.redelivered} redelivered with DUP, as MQTT allows`}`,
      `out of order ${counts.outOfOrder}`,
      `latency      ${formatLatency(flood.latency.summaryMs())}, from when it was due to arrival`,
      ...clockLines(flood.latency),
    );
  } else if (counts.messages > 0) {
    lines.push('lost         unknown: the messages carry no stamp (msggen --stamp)');
  }
  if (counts.retained > 0) lines.push(`retained     ${counts.retained}, of which no account is kept`);
  if (share.transport === 'mqtt-ws') lines.push(...rowsByQos(flood));
  const unjudged = counts.unjudged + flood.tallies[EVERYTHING_ROW]!.unjudged;
  if (unjudged > 0) {
    lines.push(
      `not judged   ${unjudged} messages that came so late that floodtest does not know whether they had come before`,
    );
  }
  const unaccounted = counts.unaccounted + flood.tallies[EVERYTHING_ROW]!.unaccounted;
  if (unaccounted > 0) {
    lines.push(
      `unaccounted  ${unaccounted} messages of more publishers or topics than floodtest keeps account of`,
    );
  }
  const { server, serverBefore } = flood;
  if (server !== undefined && serverBefore !== undefined) {
    const cpuSec = server.cpuSec - serverBefore.cpuSec;
    lines.push(
      `server       RSS ${megabytes(serverBefore.rssBytes)} before, ${megabytes(server.rssBytes)} at the end; ${cpuSec.toFixed(2)} s CPU`,
    );
  } else if (options.serverPids.length > 0) {
    lines.push(`server       process ${options.serverPids.join(' or ')} has ended`);
  }
  lines.push(
    `floodtest    ${ownBytesPerConnection(flood) ?? '-'} B a connection on its own side, in ${share.processes} process${share.processes === 1 ? '' : 'es'}; ${flood.cpuSec.toFixed(2)} s CPU`,
  );
  return lines.join('\n');
}

/** Share of the due messages. With more late or missed messages than this, the rate was not reached. */
const MISSED_SHARE = 0.05;
const BUSY_SHARE = 0.9;

/** Whether the devices missed their rate because floodtest had no time left. */
function isOwnLimit({ counts, busyShare }: Flood): boolean {
  const { published, unpublished, late, overdue } = counts;
  return late + overdue > MISSED_SHARE * (published + unpublished + overdue) && busyShare > BUSY_SHARE;
}

function ownLimitLine({ counts, busyShare }: Flood): string {
  const busy = `its busiest process was at work for ${(busyShare * 100).toFixed(0)} % of the time`;
  const missed = `${counts.late} messages were published more than ${LATE_AFTER_MS} ms after they were due, and ${counts.overdue} were not got to`;
  return `limit        floodtest's own: ${busy}, ${missed}. Ask for a lower --publish-rate, or for more --processes on more cores`;
}

/** When even the fastest message took this long, the clocks differ, rather than the network being slow. */
const SKEW_SUSPECTED_MS = 1000;

/** Lines about a difference between the clocks of the two ends, from the latencies. */
function clockLines(latency: LatencyHistogram): string[] {
  const { min } = latency.summaryMs()!;
  if (latency.negatives > 0) {
    return [
      `clocks       ${latency.negatives} messages were here before they were due: the publisher's clock is at least ${latencyText(-min)} ms ahead of this one, and every latency above is too low by that or more`,
    ];
  }
  if (min < SKEW_SUSPECTED_MS) return [];
  return [
    `clocks       no message took less than ${latencyText(min)} ms: perhaps this clock is ahead of the publisher's, and every latency above is too high`,
  ];
}

function resubscriptionsOf({ counts }: Flood, { share }: FloodOptions): string[] {
  if (share.mqtt.resubscribesPerSec === undefined) return [];
  const { unsubscribed, resubscribed, receivedUnsubscribed } = counts;
  const error =
    receivedUnsubscribed === 0
      ? ''
      : `; ${receivedUnsubscribed} messages published after UNSUBACK came before the next SUBSCRIBE, and are not among those below`;
  return [`unsubscribed ${unsubscribed} times, and subscribed again ${resubscribed} times${error}`];
}

function resumesOf({ counts }: Flood, { share }: FloodOptions): string[] {
  const { cut, resumed, recovered, unrecovered } = counts;
  if (share.cut === undefined) return unrecovered === 0 ? [] : [`not recovered ${unrecovered} times`];
  return [
    `resumed      ${resumed} of ${cut} that were cut; ${recovered} recovered all, ${unrecovered} were not recovered`,
  ];
}

function rowsByQos(flood: Flood): string[] {
  const titles = ['QoS 0       ', 'QoS 1       ', 'QoS 2       ', 'everything  '];
  return titles.flatMap((title, row) => {
    const { messages, lost, duplicated, redelivered, outOfOrder } = flood.tallies[row]!;
    const summary = flood.latencies[row]!.summaryMs();
    if (messages === 0) return [];
    const latency = summary === undefined ? '' : `  latency ${formatLatency(summary)}`;
    return `${title} received ${messages}  lost ${lost}  duplicated ${duplicated}  redelivered ${redelivered}  out of order ${outOfOrder}${latency}`;
  });
}

export function floodSummaryJson(flood: Flood, options: FloodOptions, context: Context): object {
  const { share } = options;
  return {
    tool: 'floodtest',
    ...context,
    asked: {
      url: urlOf(share.gateways[0]!),
      urls: share.gateways.map(urlOf),
      connections: share.connections,
      ratePerSec: share.ratePerSec,
      transport: share.transport,
      ids: share.ids,
      idPrefix: share.idPrefix,
      holdSec: options.holdMs === undefined ? null : options.holdMs / 1000,
      processes: share.processes,
      sourceAddresses: share.sourceAddresses,
      cut:
        share.cut === undefined
          ? null
          : { atSec: share.cut.atMs / 1000, withinSec: share.cut.withinMs / 1000 },
      ...(share.transport === 'mqtt-ws' ? mqttAsked(share.mqtt) : {}),
    },
    elapsedSec: flood.elapsedSec,
    connectedAtMost: flood.connectedAtMost,
    ...flood.counts,
    ownLimit: isOwnLimit(flood),
    busyShare: flood.busyShare,
    closures: flood.closures,
    refusals: flood.refusals,
    failures: flood.failures,
    publishers: flood.publishers,
    latencyMs: flood.latency.summaryMs() ?? null,
    beforeDue: flood.latency.negatives,
    ...(share.transport === 'mqtt-ws' ? jsonByQos(flood) : {}),
    server:
      flood.server === undefined ? null : { before: flood.serverBefore ?? null, atTheEnd: flood.server },
    own: {
      rssBytes: flood.rssBytes,
      rssBytesBefore: flood.baseRssBytes,
      bytesPerConnection: ownBytesPerConnection(flood),
      cpuSec: flood.cpuSec,
    },
  };
}

function urlOf({ tls, host }: GatewayTarget): string {
  return `${tls === undefined ? 'http' : 'https'}://${host}`;
}

function mqttAsked(mqtt: MqttPlan): object {
  const { password: _, ...asked } = mqtt;
  return {
    mqtt: {
      ...asked,
      everything: mqtt.everything ?? null,
      lives: mqtt.lives ?? null,
      resubscribesPerSec: mqtt.resubscribesPerSec ?? null,
    },
  };
}

/** `qos0`, `qos1`, `qos2` and `everything`. */
function jsonByQos(flood: Flood): object {
  const rows = ROW_NAMES.map((name, row) => [
    name,
    { ...flood.tallies[row]!, latencyMs: flood.latencies[row]!.summaryMs() ?? null },
  ]);
  return Object.fromEntries(rows);
}

function ownBytesPerConnection(flood: Flood): number | null {
  if (flood.counts.connected === 0) return null;
  return Math.round((flood.rssBytes - flood.baseRssBytes) / flood.counts.connected);
}

function reasonsIn(reasons: Reasons): string {
  const parts = Object.entries(reasons).map(([reason, count]) => `${reason}: ${count}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1e3).toFixed(1)} KB`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
