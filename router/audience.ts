import { arrayBytes, objectBytes, setBytes, setEntryBytes } from './heap-cost.js';
import type { Qos } from './message.js';
import type { Subscriber } from './subscriber.js';

/**
 * The subscribers of one id or filter, each with its QoS. Nearly always that is one subscriber at QoS 0, which is
 * therefore the bare object; every other form costs what it must (bytes besides the entry in the index):
 *
 *     Subscriber             one, QoS 0                    0
 *     Grant                  one, QoS 1 or 2              40
 *     [Member, …]            2 to 16                      48 and 8 for each
 *     Crowd                  more                         200 and 20 to 40 for each
 *
 * An array is never changed, only replaced: whoever walks one sees who was there at the start. A Crowd is walked live.
 */
export type Audience = Member | readonly Member[] | Crowd;
export type Member = Subscriber | Grant;

/** A subscriber with the QoS it was granted, where that is not 0. */
export class Grant {
  readonly subscriber: Subscriber;
  readonly qos: 1 | 2;

  constructor(subscriber: Subscriber, qos: 1 | 2) {
    this.subscriber = subscriber;
    this.qos = qos;
  }
}

const listedMax = 16;
/** A crowd shrinks to an array only here, so that one who comes and goes does not convert it each time. */
const listedAgain = 8;

/** Many subscribers, in a Set for each QoS that somebody has. */
export class Crowd {
  readonly byQos: (Set<Subscriber> | undefined)[] = [undefined, undefined, undefined];

  get size(): number {
    let size = 0;
    for (const set of this.byQos) size += set?.size ?? 0;
    return size;
  }

  add(subscriber: Subscriber, qos: Qos): void {
    const set = this.byQos[qos];
    if (set === undefined) this.byQos[qos] = new Set([subscriber]);
    else set.add(subscriber);
  }

  /** An emptied Set stays: it may be being walked. */
  delete(subscriber: Subscriber): void {
    for (const set of this.byQos) if (set?.delete(subscriber)) return;
  }

  qosOf(subscriber: Subscriber): Qos | undefined {
    for (let qos = 0; qos < 3; qos++) if (this.byQos[qos]?.has(subscriber)) return qos as Qos;
    return undefined;
  }

  get members(): Member[] {
    return this.byQos.flatMap((set, qos) => [...(set ?? [])].map((each) => memberOf(each, qos as Qos)));
  }
}

export function subscriberOf(member: Member): Subscriber {
  return member instanceof Grant ? member.subscriber : member;
}

export function qosOf(member: Member): Qos {
  return member instanceof Grant ? member.qos : 0;
}

function memberOf(subscriber: Subscriber, qos: Qos): Member {
  return qos === 0 ? subscriber : new Grant(subscriber, qos);
}

function isList(audience: Audience): audience is readonly Member[] {
  return Array.isArray(audience);
}

export function membersOf(audience: Audience): readonly Member[] {
  if (audience instanceof Crowd) return audience.members;
  return isList(audience) ? audience : [audience];
}

export function sizeOf(audience: Audience | undefined): number {
  if (audience === undefined) return 0;
  if (isList(audience)) return audience.length;
  return audience instanceof Crowd ? audience.size : 1;
}

const grantBytes = objectBytes(2);
const crowdBytes = objectBytes(1) + arrayBytes(3) + 3 * setBytes;

/** Its bytes in V8's heap at most, besides the subscribers, which are their owner's. */
export function audienceBytes(audience: Audience | undefined): number {
  if (audience === undefined) return 0;
  if (audience instanceof Crowd) return crowdBytes + audience.size * setEntryBytes;
  if (!isList(audience)) return audience instanceof Grant ? grantBytes : 0;
  return arrayBytes(audience.length) + audience.length * grantBytes;
}

/** The QoS of a subscriber in this audience, undefined when it is not there. */
export function grantOf(audience: Audience | undefined, subscriber: Subscriber): Qos | undefined {
  if (audience === undefined) return undefined;
  if (audience instanceof Crowd) return audience.qosOf(subscriber);
  if (!isList(audience)) return subscriberOf(audience) === subscriber ? qosOf(audience) : undefined;
  const member = audience.find((each) => subscriberOf(each) === subscriber);
  return member === undefined ? undefined : qosOf(member);
}

/** The audience with one more, who was not there before. */
export function withMember(audience: Audience | undefined, subscriber: Subscriber, qos: Qos): Audience {
  if (audience instanceof Crowd) {
    audience.add(subscriber, qos);
    return audience;
  }
  const member = memberOf(subscriber, qos);
  if (audience === undefined) return member;
  const members = isList(audience) ? [...audience, member] : [audience, member];
  return members.length > listedMax ? crowdOf(members) : members;
}

/** The audience with one fewer, who was there. @param walked a crowd is kept, as somebody may be walking it */
export function withoutMember(
  audience: Audience,
  subscriber: Subscriber,
  walked: boolean,
): Audience | undefined {
  if (audience instanceof Crowd) {
    audience.delete(subscriber);
    const { size } = audience;
    if (size === 0) return undefined;
    return size > listedAgain || walked ? audience : listOf(audience.members);
  }
  if (!isList(audience)) return undefined;
  return listOf(audience.filter((each) => subscriberOf(each) !== subscriber));
}

function listOf(members: Member[]): Audience | undefined {
  return members.length > 1 ? members : members[0];
}

function crowdOf(members: readonly Member[]): Crowd {
  const crowd = new Crowd();
  for (const member of members) crowd.add(subscriberOf(member), qosOf(member));
  return crowd;
}
