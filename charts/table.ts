// A run's figures as a Markdown table; with several runs, a column each.

import { type RunFigures, runFigures, SLOPE_HOLD_SEC_MIN } from './figures.js';
import { legendNames } from './heading.js';
import { describeCommand, describeMachine, describeStart } from './metadata.js';
import type { Run } from './run.js';
import { formatBytes, formatCount, formatDuration, formatMs } from './units.js';

const UNKNOWN = '–';

export function markdownTable(runs: readonly Run[]): string {
  const rows = runs.map((run) => figureRows(runFigures(run)));
  const lines = [
    `| | ${legendNames(runs).map(cell).join(' | ')} |`,
    `|---|${'---:|'.repeat(runs.length)}`,
    ...rows[0]!.map(([name], i) => `| ${name} | ${rows.map((figures) => figures[i]![1]).join(' | ')} |`),
  ];
  return `${lines.join('\n')}\n\n${notes(runs)}`;
}

function figureRows(f: RunFigures): [name: string, value: string][] {
  return [
    ['Length', formatDuration(f.lengthSec)],
    ['Hold (all connections open)', show(f.holdSec, formatDuration)],
    ['Connections', show(f.connections, formatCount)],
    ['Closed', show(f.closed, formatCount)],
    ['Messages', show(f.messages, formatCount)],
    [
      'Messages a second',
      show(f.messagesPerSec, (rate) => formatCount(rate, rate > 0 && rate < 100 ? 2 : 0)),
    ],
    ['Received by the clients, over the hold', show(f.receivedBytesPerSec, formatBandwidth)],
    ['Sent by the clients, over the hold', show(f.sentBytesPerSec, formatBandwidth)],
    ['Lost', show(f.lost, formatCount)],
    ['Duplicated', show(f.duplicated, formatCount)],
    ['Out of order', show(f.outOfOrder, formatCount)],
    ['Latency p50 (median of the seconds)', show(f.latencyP50Ms, formatMs)],
    ['Latency p99 (median of the seconds)', show(f.latencyP99Ms, formatMs)],
    ['Latency p99 (worst second)', show(f.worstP99Ms, formatMs)],
    ['Latency max', show(f.latencyMaxMs, formatMs)],
    ['Server RSS at start of hold', show(f.rssAtHoldStartBytes, formatBytes)],
    ['Server RSS at end of hold', show(f.rssAtHoldEndBytes, formatBytes)],
    ['Bytes a connection at start of hold', show(f.bytesPerConnectionAtHoldStart, formatCount)],
    ['Bytes a connection at end of hold', show(f.bytesPerConnectionAtHoldEnd, formatCount)],
    ['Slope of RSS over the hold', show(f.rssSlopeBytesPerHour, formatSlope)],
    ['Server CPU time', show(f.cpuSec, (sec) => `${formatCount(sec, 1)} s`)],
    [
      'Server CPU over the hold',
      show(f.cpuShareInHold, (share) => `${formatCount(share * 100, 1)} % of one core`),
    ],
  ];
}

function notes(runs: readonly Run[]): string {
  const names = legendNames(runs);
  const told = runs.flatMap(({ metadata }, i) => {
    const where = [describeMachine(metadata), describeStart(metadata)]
      .filter((part) => part !== '')
      .join('; ');
    const command = describeCommand(metadata);
    const parts = [where, command === '' ? '' : `\`${command}\``].filter((part) => part !== '');
    return parts.length === 0 ? [] : [`${runs.length > 1 ? `${names[i]}: ` : ''}${parts.join('; ')}`];
  });
  const how =
    'Bytes a connection: growth of RSS since the first row, divided by the connections opened since. ' +
    `Slope: least squares, of a hold of ${SLOPE_HOLD_SEC_MIN / 60} min or more. ` +
    '1 KB is 1,000 bytes.';
  return `${[...told, how].join('\n\n')}\n`;
}

function show(value: number | undefined, format: (value: number) => string): string {
  return value === undefined ? UNKNOWN : format(value);
}

function formatBandwidth(bytesPerSec: number): string {
  return `${formatBytes(bytesPerSec)}/s`;
}

function formatSlope(bytesPerHour: number): string {
  const kb = Math.round(bytesPerHour / 100) / 10;
  return `${kb > 0 ? '+' : ''}${formatCount(kb === 0 ? 0 : kb, 1)} KB/hour`;
}

/** Escapes what would end the cell of a table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/\s+/g, ' ');
}
