import { type DecodedSession, SessionDecoder } from '../../../session/session-encoding.js';
import { Move, Moves, type MovesParts, moveIdBytes } from './moves.js';
import { parcelBytes, unpack } from './parcel.js';

/** Waits for marks, and for what is in the sessions. */
class Arrival extends Move {
  content: Buffer | undefined;
  isMarked = false;
}

export interface ArrivalsParts extends MovesParts {
  /** Whether its client is here, and waits for a session from there. */
  readonly isAwaited: (clientId: string, from: string) => boolean;
  /** A session is on its way here. */
  readonly onArriving: (clientId: string) => void;
  /** It is here, or does not come. */
  readonly onArrived: (clientId: string) => void;
}

/** Sessions that come from another node; see Departures. */
export class Arrivals extends Moves<Arrival> {
  readonly #parts: ArrivalsParts;

  constructor(parts: ArrivalsParts) {
    super(parts);
    this.#parts = parts;
    this.nodes.on('O', (from, body) => void this.#hearOffer(from, body));
    this.nodes.on('S', (from, body) => this.#hearContent(from, body));
  }

  hearMark(id: string, shard: number): void {
    const move = this.byId.get(id);
    if (move === undefined || !this.mark(move, shard)) return;
    move.isMarked = true;
    this.#mayPut(move);
  }

  /** Sessions that are not here by now do not come: their clients begin anew. */
  override giveUp(move: Arrival): void {
    if (this.byId.get(move.id) !== move) return;
    this.end(move);
    for (const clientId of [...move.sessions.keys()]) {
      this.lose(clientId, move.other);
      this.#arrived(move, clientId);
    }
  }

  async #hearOffer(from: string, body: Buffer): Promise<void> {
    const id = body.toString('latin1', 0, moveIdBytes);
    const home = body[moveIdBytes] ?? 0;
    const shard = this.shards[home];
    if (shard === undefined || this.byId.has(id)) return;
    const parcel = body.subarray(moveIdBytes + 1);
    const move = new Arrival(id, from, home, this.shards.length);
    this.begin(move);
    try {
      // Where the old node stops: whether it is still its own. Else their clients have asked for them.
      const passed = parcel.toString('latin1', parcelBytes(parcel));
      const decoder = new SessionDecoder();
      const offered: DecodedSession[] = [];
      for await (const chunk of unpack(shard, `${id}o`, parcel)) offered.push(...decoder.read(chunk));
      const free = passed === '' ? offered : offered.filter((_, n) => passed[n] === '1');
      this.#adopt(move, free, passed === '');
    } catch {
      this.giveUp(move);
    }
  }

  #adopt(move: Arrival, offered: readonly DecodedSession[], askedFor: boolean): void {
    const { sessions, router } = this.here;
    const refused: string[] = [];
    for (const { clientId, owner, expirySec, subscriptions } of offered) {
      const isWanted = askedFor ? this.#parts.isAwaited(clientId, move.other) : this.#isFree(clientId);
      const session = isWanted ? sessions.adopt(clientId, owner, expirySec) : undefined;
      if (session === undefined) {
        refused.push(clientId);
        if (isWanted) this.#parts.onArrived(clientId);
        continue;
      }
      this.add(move, session, subscriptions, (shard) => move.marked[shard]!);
      this.#parts.onArriving(clientId);
    }
    if (refused.length > 0) this.#say(move, this.nodes.word('X', move.id, refused.join('\0')));
    if (move.sessions.size === 0) this.end(move);
    else router.whenInterested(() => this.#setMarks(move));
  }

  /** Its client is not here by now, with a session of its own. */
  #isFree(clientId: string): boolean {
    if (this.nodes.stopping || this.has(clientId)) return false;
    return this.here.sessions.find(clientId)?.connection === undefined;
  }

  #setMarks(move: Arrival): void {
    const word = this.nodes.word('M', move.id);
    for (const shard of this.shards) {
      shard.call('mark', [this.nodes.run, move.other, word]).then(
        (heard) => Number(heard) > 0 || this.giveUp(move),
        () => this.giveUp(move),
      );
    }
  }

  #hearContent(from: string, body: Buffer): void {
    const move = this.byId.get(body.toString('latin1', 0, moveIdBytes));
    if (move?.other !== from || move.content !== undefined) return;
    move.content = Buffer.from(body.subarray(moveIdBytes));
    this.#mayPut(move);
  }

  #mayPut(move: Arrival): void {
    if (move.isMarked && move.content !== undefined)
      this.#put(move, move.content).catch(() => this.giveUp(move));
  }

  /** In front of what has come since the mark. */
  async #put(move: Arrival, parcel: Buffer): Promise<void> {
    const decoder = new SessionDecoder();
    for await (const chunk of unpack(this.shards[move.home]!, `${move.id}s`, parcel)) {
      if (this.byId.get(move.id) !== move) return;
      this.wait(move);
      for (const state of decoder.read(chunk)) {
        const moving = move.sessions.get(state.clientId);
        if (moving === undefined) continue;
        if (this.here.sessions.find(state.clientId) === moving.session) moving.session.put(state);
        this.#arrived(move, state.clientId);
      }
    }
    this.end(move);
    // Those that ended on their old node in the meantime.
    for (const clientId of [...move.sessions.keys()]) {
      this.lose(clientId, move.other);
      this.#arrived(move, clientId);
    }
    this.#say(move, this.nodes.word('D', move.id));
  }

  #arrived(move: Arrival, clientId: string): void {
    this.settle(move, clientId);
    this.#parts.onArrived(clientId);
  }

  #say({ other, home }: Arrival, word: Buffer): void {
    this.nodes.tell(other, home, word).catch(() => {});
  }
}
