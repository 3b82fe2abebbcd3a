import { shardOf } from '../../../redis-access/shards.js';
import type { Send } from './publisher.js';
import type { Opening } from './subscriber.js';
import type { Ways } from './ways.js';
import { shards } from './world.js';

/**
 * A counted message is with its client, at least in the kernel, when the publisher has its answer. Slack for a busy
 * machine.
 */
const countedMarginMs = 100;
/** Where another node did not answer, nothing says when it was handed out. */
const uncountedMarginMs = 1_500;
/**
 * A node that was silent for so long that it counted as gone is in no count until its next sign, once a second, though
 * its subscribers get messages. So counts are compared with arrivals from then on.
 */
const missedMs = 1_500;

/** Each pair of a send and a connection that was open for its id, by what became of it. */
export interface Explained {
  arrived: number;
  /** It had to, and did. */
  required: number;
  /** Not carried, and the publisher was told. */
  refused: number;
  /** The publisher was not answered, or told that it is not known. */
  unanswered: number;
  /** By what was done to its way while it was sent, or before and not known to be over. */
  lost: Record<string, number>;
  /** The connection was just opening or closing. */
  opening: number;
  /** Counts that were held against what arrived. */
  counts: number;
}

export interface Verdict {
  readonly faults: string[];
  readonly explained: Explained;
}

/** A time in which all that is sent from a node arrives at a connection. */
interface Sure {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Holds what came against what was sent. Always: nothing twice on one connection, each publisher and id in order,
 * nothing that was refused. And while nothing is wrong with a way: everything.
 *
 *     way      ───calm───▒▒▒killed▒▒▒──────calm──────
 *     sends     1  2  3    4   5   6    7   8   9
 *     arrive    ✓  ✓  ✓    ?   ?   ?    ?   ✓  ✓     8 is the first that came: from then on it works
 */
export function judge(sends: readonly Send[], openings: readonly Opening[], ways: Ways): Verdict {
  const faults: string[] = [];
  const sendOf = new Map(sends.map((send) => [send.text, send]));
  const explained: Explained = {
    arrived: 0,
    required: 0,
    refused: 0,
    unanswered: 0,
    lost: {},
    opening: 0,
    counts: 0,
  };
  const requiredOf = new Map<Send, number>();
  const possibleOf = new Map<Send, number>();
  for (const opening of openings) {
    const heard = judgeHeard(opening, sendOf, faults);
    const sure = Array.from({ length: ways.size * shards }, (_, i) =>
      sureTimes(opening, Math.floor(i / shards), i % shards, ways, sendOf),
    );
    for (const send of sends) {
      if (opening.ids !== undefined && !opening.ids.has(send.id)) continue;
      if (send.endMs < opening.openMs - 2_000 || send.startMs > opening.closeMs + 2_000) continue;
      count(possibleOf, send);
      const required = isRequired(send, sure[send.node * shards + shardOf(send.id, shards)]!);
      if (required) count(requiredOf, send);
      if (heard.has(send.text)) {
        explained.arrived++;
        if (required) explained.required++;
      } else if (required) {
        faults.push(`${opening.client} at node ${opening.node} did not get ${describe(send)}`);
      } else explain(send, opening, ways, explained);
    }
  }
  for (const send of sends) {
    const required = requiredOf.get(send) ?? 0;
    if (send.status !== 200 || send.unanswered > 0 || required !== (possibleOf.get(send) ?? 0)) continue;
    if (brokenLately(send, ways)) continue;
    explained.counts++;
    if (send.delivered !== required)
      faults.push(`${describe(send)} is with ${required}, and its publisher was told ${send.delivered}`);
  }
  return { faults, explained };
}

/** @returns the texts */
function judgeHeard(
  { client, node, ids, heard }: Opening,
  sendOf: Map<string, Send>,
  faults: string[],
): Set<string> {
  const texts = new Set<string>();
  const last = new Map<string, number>();
  const where = `${client} at node ${node}`;
  for (const { text, id } of heard) {
    const send = sendOf.get(text);
    if (send === undefined || send.id !== id || (ids !== undefined && !ids.has(id))) {
      faults.push(`${where} got ${text} for ${id}, which nobody sent there`);
      continue;
    }
    if (texts.has(text)) faults.push(`${where} got ${describe(send)} twice`);
    texts.add(text);
    const key = `${send.publisher} ${id}`;
    if ((last.get(key) ?? -1) > send.number)
      faults.push(`${where} got ${describe(send)} behind ${last.get(key)} of the same publisher and id`);
    last.set(key, send.number);
    if (send.status === 503) faults.push(`${where} got ${describe(send)}, which was refused`);
  }
  return texts;
}

function sureTimes(
  opening: Opening,
  from: number,
  shard: number,
  ways: Ways,
  sendOf: Map<string, Send>,
): Sure[] {
  const { node, openMs, closeMs, heard } = opening;
  const times: Sure[] = [];
  for (const calm of ways.calms(from, node)) {
    const fromMs = Math.max(calm.fromMs, openMs);
    const toMs = Math.min(calm.toMs, closeMs);
    if (fromMs >= toMs) continue;
    const first = heard.find(({ text, id, atMs }) => {
      const send = sendOf.get(text);
      return send?.node === from && shardOf(id, shards) === shard && send.startMs > fromMs && atMs < toMs;
    });
    if (first !== undefined) times.push({ fromMs: first.atMs, toMs });
  }
  return times;
}

function isRequired({ status, startMs, endMs, unanswered }: Send, sure: readonly Sure[]): boolean {
  if (status !== 200) return false;
  const marginMs = unanswered === 0 ? countedMarginMs : uncountedMarginMs;
  return sure.some(({ fromMs, toMs }) => startMs > fromMs && endMs + marginMs < toMs);
}

function brokenLately({ node, startMs, endMs }: Send, ways: Ways): boolean {
  const nodes = Array.from({ length: ways.size }, (_, to) => to);
  return nodes.some((to) => ways.reasons(node, to, startMs - missedMs, endMs).length > 0);
}

function explain(send: Send, opening: Opening, ways: Ways, explained: Explained): void {
  const { openMs, closeMs, node } = opening;
  if (send.status === 503) explained.refused++;
  else if (send.status !== 200) explained.unanswered++;
  else if (send.startMs < openMs + 500 || send.endMs > closeMs - uncountedMarginMs) explained.opening++;
  else {
    const now = ways.reasons(send.node, node, send.startMs, send.endMs + uncountedMarginMs);
    const before = ways.calms(send.node, node).findLast(({ fromMs }) => fromMs <= send.startMs)?.after;
    const why = now.at(-1) ?? (before ? `${before}, just over` : 'the way was not known yet');
    explained.lost[why] = (explained.lost[why] ?? 0) + 1;
  }
}

function count(counts: Map<Send, number>, send: Send): void {
  counts.set(send, (counts.get(send) ?? 0) + 1);
}

function describe({ text, id, node, status, startMs, endMs }: Send): string {
  return `${text} to ${id} (by node ${node}, answered ${status || 'not'}, ${Math.round(startMs)} to ${Math.round(endMs)} ms)`;
}
