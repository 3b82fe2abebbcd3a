import type { HttpResponse } from 'uWebSockets.js';
import type { Identity } from '../../../access/identity.js';
import { type EdgeOutcome, edgeProblemText, type Graph } from '../../../router/graph/graph.js';
import type { EdgeChange, FriendsGraph } from '../../../router/graph/shared-graph.js';
import type { Config } from '../../config.js';
import type { Counters } from '../../counters.js';
import type { FairTurns } from '../../fair-turns.js';
import { answerJson, type Headers, retryHeader } from '../answer.js';
import type { ApiGuard, ApiHandler } from '../api-guard.js';
import type { Bodies } from '../body.js';
import { type BadLines, BodyLines } from '../body-lines.js';
import { edgeFromJson } from './edge-line.js';

/** Most bytes of all bodies that take more than one turn, or wait for the disk. */
const bytesUnderWayMax = 64 * 1024 * 1024;

interface ChangeTotals extends BadLines {
  /** Edges that are new. */
  added: number;
  /** Edges that are gone. */
  removed: number;
  /** Lines that changed nothing: the edge was there already, or was not there to be removed. */
  unchanged: number;
}

interface ChangesParts {
  readonly graph: Graph;
  /** The graph of all nodes, where there are any: changed once all lines are read. */
  readonly friends: FriendsGraph;
  readonly config: Config;
  readonly counters: Counters;
  readonly guard: ApiGuard;
  readonly bodies: Bodies;
  readonly turns: FairTurns;
}

/**
 * Answers `POST /graph`, whose body has an edge in each NDJSON line. Bad lines are named by number, and the good ones are
 * done, in order. The answer comes when all changes are on disk, if the graph is kept there, or in effect on all nodes.
 */
export class GraphChanges {
  readonly #parts: ChangesParts;
  #bytesUnderWay = 0;

  constructor(parts: ChangesParts) {
    this.#parts = parts;
  }

  readonly handle: ApiHandler = (response, _request, _head, cors, caller) => {
    const { bodies, config } = this.#parts;
    bodies.read(response, cors, config.batchBytesMax, (body) => {
      this.#work(new Changes(body, caller), response, cors);
    });
  };

  /** Goes on in the next turns, and lets others have theirs. What was taken is done even if the caller has gone. */
  #work(changes: Changes, response: HttpResponse, cors: Headers): void {
    if (this.#bytesUnderWay + changes.bytes > bytesUnderWayMax && this.#bytesUnderWay > 0) {
      const error = 'Too many changes are under way: nothing was changed, send them again later.';
      this.#parts.counters.countApiError('503');
      const headers = [...cors, retryHeader];
      return answerJson(response, '503 Service Unavailable', { ...changes.totals, error }, headers);
    }
    this.#bytesUnderWay += changes.bytes;
    let aborted = false;
    response.onAborted(() => {
      aborted = true;
    });
    const end = (failure?: string) => {
      this.#bytesUnderWay -= changes.bytes;
      if (!aborted) response.cork(() => this.#answer(response, cors, changes, failure));
    };
    const store = () => {
      this.#stored(changes).then(
        () => end(),
        (error: Error) => end(error.message),
      );
    };
    const goOn = () => {
      const more = !this.#changeSome(changes);
      if (!more) store();
      return more;
    };
    if (this.#changeSome(changes)) store();
    else this.#parts.turns.add({ overdue: false, goOn });
  }

  async #stored(changes: Changes): Promise<void> {
    if (!this.#isShared) return this.#parts.graph.stored();
    const outcomes = await this.#parts.friends.change(changes.edges);
    changes.noteAll(outcomes);
  }

  get #isShared(): boolean {
    return this.#parts.config.engine === 'redis';
  }

  /** @returns true when all lines are done */
  #changeSome(changes: Changes): boolean {
    while (!changes.done) {
      const line = changes.take();
      if (line !== undefined) this.#changeByLine(changes, line);
      if (this.#parts.turns.over) break;
    }
    return changes.done;
  }

  #changeByLine(changes: Changes, line: string): void {
    const { config, guard, graph } = this.#parts;
    const edge = edgeFromJson(line, config);
    if (!edge.ok) return changes.addError(edge.problem);
    const { subscriber, subscribee, remove } = edge.value;
    if (!mayChange(guard, changes.caller, edge.value))
      return changes.addForbidden(
        'You may not change this edge: it takes the right to subscribe to both ids.',
      );
    if (this.#isShared) changes.putOff(edge.value);
    else if (remove) changes.note(graph.remove(subscriber, subscribee), 'removed');
    else changes.note(graph.add(subscriber, subscribee), 'added');
  }

  #answer(
    response: HttpResponse,
    cors: Headers,
    { totals, forbidden, full }: Changes,
    failure: string | undefined,
  ): void {
    const { counters, config } = this.#parts;
    const refuse = (status: '400' | '403' | '503', text: string, error: string) => {
      counters.countApiError(status);
      const headers = status === '503' ? [...cors, retryHeader] : cors;
      answerJson(response, `${status} ${text}`, { ...totals, error }, headers);
    };
    counters.refused['not-allowed'] += forbidden;
    if (failure !== undefined) {
      const rest = this.#isShared ? 'A part may be changed' : 'What this changed may be lost';
      return refuse(
        '503',
        'Service Unavailable',
        `${failure} ${rest}: send it again, which changes nothing twice.`,
      );
    }
    if (full) {
      const error = `The graph has ${config.graphBytesTotalMax} bytes (--graph-bytes-total-max), and no room for more edges.`;
      return refuse('503', 'Service Unavailable', error);
    }
    const good = totals.added + totals.removed + totals.unchanged;
    if (good === 0 && forbidden > 0 && forbidden === totals.bad)
      return refuse('403', 'Forbidden', 'You may not change any of these edges: nothing was changed.');
    if (good === 0 && totals.bad > 0)
      return refuse(
        '400',
        'Bad Request',
        'No line is an edge: nothing was changed. "errors" names what is wrong with each.',
      );
    answerJson(response, '200 OK', totals, cors);
  }
}

/**
 * An edge lets the subscriber have what is sent to the subscribee. So a caller who makes it must have the right to receive
 * what is sent to either.
 */
function mayChange(guard: ApiGuard, caller: Identity, { subscriber, subscribee }: EdgeChange): boolean {
  return guard.mayDo(caller, 'subscribe', subscribee) && guard.mayDo(caller, 'subscribe', subscriber);
}

class Changes extends BodyLines {
  readonly caller: Identity;
  readonly totals: ChangeTotals = { added: 0, removed: 0, unchanged: 0, bad: 0, errors: [] };
  full = false;
  /** Changes that are made when all lines are read, and the line of each. */
  readonly edges: EdgeChange[] = [];
  readonly #lines: number[] = [];

  constructor(body: Buffer, caller: Identity) {
    super(body);
    this.caller = caller;
  }

  putOff(edge: EdgeChange): void {
    this.edges.push(edge);
    this.#lines.push(this.line);
  }

  /** @param outcomes of the changes that were put off */
  noteAll(outcomes: readonly EdgeOutcome[]): void {
    for (const [at, outcome] of outcomes.entries()) {
      this.line = this.#lines[at]!;
      this.note(outcome, this.edges[at]!.remove ? 'removed' : 'added');
    }
    this.totals.errors.sort((one, other) => one.line - other.line);
  }

  note(outcome: EdgeOutcome, changed: 'added' | 'removed'): void {
    if (outcome === 'changed') this.totals[changed]++;
    else if (outcome === 'unchanged') this.totals.unchanged++;
    else {
      this.full ||= outcome === 'full';
      this.addError(edgeProblemText[outcome]);
    }
  }
}
