/** What a run says: a line a second, a summary to read, or the same as one JSON object. */
import { formatLatency, formatMs } from '../msggen/latency.js';
import type { Reasons } from './counts.js';
import type { Flood, FloodOptions } from './flood.js';
import type { Context, Row } from './recording.js';

export function rowLine({ elapsedSec, counts, latency, server }: Row): string {
  const parts = [
    `${Math.round(elapsedSec)} s`.padStart(8),
    `connected ${counts.connected}`,
    `closed ${counts.closed}`,
    `chunks ${counts.chunks}`,
  ];
  if (counts.refused > 0) parts.push(`refused ${counts.refused}`);
  if (counts.failed > 0) parts.push(`failed ${counts.failed}`);
  if (latency.total > 0) parts.push(`p99 ${formatMs(latency.percentileMs(99))} ms`);
  if (server !== undefined) parts.push(`server ${megabytes(server.rssBytes)}`);
  return parts.join('  ');
}

export function summaryText(flood: Flood, options: FloodOptions): string {
  const { counts } = flood;
  const { share } = options;
  const lines = [
    `connections  ${share.connections} asked, ${flood.connectedAtMost} open at most, ${counts.connected} open at the end`,
    `closed       ${counts.closed}${reasonsIn(flood.closures)}`,
    `refused      ${counts.refused}${reasonsIn(flood.refusals)}`,
    `failed       ${counts.failed}${reasonsIn(flood.failures)}`,
    `chunks       ${counts.chunks}`,
    `received     ${counts.messages} messages on ${counts.reached} connections, ${counts.stamped} of them stamped, from ${flood.publishers} publisher${flood.publishers === 1 ? '' : 's'}`,
  ];
  if (counts.stamped > 0) {
    lines.push(
      `lost         ${counts.lost}`,
      `duplicated   ${counts.duplicated}`,
      `out of order ${counts.outOfOrder}`,
      `latency      ${formatLatency(flood.latency.summaryMs())} ms, from stamp to arrival`,
    );
  } else if (counts.messages > 0) {
    lines.push('lost         unknown: the messages carry no stamp (msggen --stamp)');
  }
  if (counts.unaccounted > 0) {
    lines.push(
      `unaccounted  ${counts.unaccounted} messages of more publishers than floodtest keeps account of`,
    );
  }
  const { server, serverBefore } = flood;
  if (server !== undefined && serverBefore !== undefined) {
    const cpuSec = server.cpuSec - serverBefore.cpuSec;
    lines.push(
      `server       RSS ${megabytes(serverBefore.rssBytes)} before, ${megabytes(server.rssBytes)} at the end; ${cpuSec.toFixed(2)} s CPU`,
    );
  } else if (options.serverPid !== undefined) {
    lines.push(`server       process ${options.serverPid} has ended`);
  }
  lines.push(
    `floodtest    ${ownBytesPerConnection(flood) ?? '-'} B a connection in ${share.processes} process${share.processes === 1 ? '' : 'es'}; ${flood.cpuSec.toFixed(2)} s CPU`,
  );
  return lines.join('\n');
}

export function summaryJson(flood: Flood, options: FloodOptions, context: Context): object {
  const { share } = options;
  return {
    tool: 'floodtest',
    ...context,
    asked: {
      url: `http://${share.host}`,
      connections: share.connections,
      ratePerSec: share.ratePerSec,
      transport: share.transport,
      ids: share.ids,
      idPrefix: share.idPrefix,
      holdSec: options.holdMs === undefined ? null : options.holdMs / 1000,
      processes: share.processes,
      sourceAddresses: share.sourceAddresses,
    },
    elapsedSec: flood.elapsedSec,
    connectedAtMost: flood.connectedAtMost,
    ...flood.counts,
    closures: flood.closures,
    refusals: flood.refusals,
    failures: flood.failures,
    publishers: flood.publishers,
    latencyMs: flood.latency.summaryMs() ?? null,
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

function ownBytesPerConnection(flood: Flood): number | null {
  if (flood.counts.connected === 0) return null;
  return Math.round((flood.rssBytes - flood.baseRssBytes) / flood.counts.connected);
}

function reasonsIn(reasons: Reasons): string {
  const parts = Object.entries(reasons).map(([reason, count]) => `${reason}: ${count}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
