import { arrayBytes, objectBytes, setBytes, setEntryBytes } from './heap-cost.js';
import type { Subscriber } from './subscriber.js';
import type { SubscriptionOptions } from './subscription-options.js';

/**
 * The subscribers of one id or filter, each with its options. Nearly always this is one subscriber with options 0 (QoS
 * 0), stored as the bare object. Other forms take more (bytes besides the entry in the index):
 *
 *     Subscriber             one, options 0               0
 *     Grant                  one, other options           40
 *     [Member, …]            2 to 16                      48 and 8 for each
 *     Crowd                  more                         200 and 20 to 40 for each
 *
 * An array is never changed, only replaced, so a walk sees the subscribers of its start. A walk of a Crowd is live.
 */
export type Audience = Member | readonly Member[] | Crowd;
export type Member = Subscriber | Grant;

/** A subscriber with the options of its subscription, where those are not 0. */
export class Grant {
  readonly subscriber: Subscriber;
  readonly options: SubscriptionOptions;

  constructor(subscriber: Subscriber, options: SubscriptionOptions) {
    this.subscriber = subscriber;
    this.options = options;
  }
}

const listedMax = 16;
/**
 * A crowd shrinks to an array only at this size, so that one subscriber that comes and goes does not convert it each
 * time.
 */
const listedAgain = 8;

/** Many subscribers, in a Set for each number of options in use. */
export class Crowd {
  /** As long as for the QoS alone, until somebody has more options than that. */
  readonly byOptions: (Set<Subscriber> | undefined)[] = [undefined, undefined, undefined];

  get size(): number {
    let size = 0;
    for (const set of this.byOptions) size += set?.size ?? 0;
    return size;
  }

  add(subscriber: Subscriber, options: SubscriptionOptions): void {
    const { byOptions } = this;
    while (byOptions.length <= options) byOptions.push(undefined);
    const set = byOptions[options];
    if (set === undefined) byOptions[options] = new Set([subscriber]);
    else set.add(subscriber);
  }

  /** An emptied Set stays, because a walk may use it. */
  delete(subscriber: Subscriber): void {
    for (const set of this.byOptions) if (set?.delete(subscriber)) return;
  }

  optionsOf(subscriber: Subscriber): SubscriptionOptions | undefined {
    for (let options = 0; options < this.byOptions.length; options++)
      if (this.byOptions[options]?.has(subscriber)) return options;
    return undefined;
  }

  get members(): Member[] {
    return this.byOptions.flatMap((set, options) => [...(set ?? [])].map((each) => memberOf(each, options)));
  }
}

export function subscriberOf(member: Member): Subscriber {
  return member instanceof Grant ? member.subscriber : member;
}

function optionsOf(member: Member): SubscriptionOptions {
  return member instanceof Grant ? member.options : 0;
}

function memberOf(subscriber: Subscriber, options: SubscriptionOptions): Member {
  return options === 0 ? subscriber : new Grant(subscriber, options);
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

/** Most bytes in V8's heap, without the subscribers themselves. */
export function audienceBytes(audience: Audience | undefined): number {
  if (audience === undefined) return 0;
  if (audience instanceof Crowd) return crowdBytes(audience);
  if (!isList(audience)) return audience instanceof Grant ? grantBytes : 0;
  return arrayBytes(audience.length) + audience.length * grantBytes;
}

function crowdBytes({ byOptions: { length }, size }: Crowd): number {
  return objectBytes(1) + arrayBytes(length) + length * setBytes + size * setEntryBytes;
}

/** The options of a subscriber in this audience; undefined if it is not in it. */
export function grantOf(
  audience: Audience | undefined,
  subscriber: Subscriber,
): SubscriptionOptions | undefined {
  if (audience === undefined) return undefined;
  if (audience instanceof Crowd) return audience.optionsOf(subscriber);
  if (!isList(audience)) return subscriberOf(audience) === subscriber ? optionsOf(audience) : undefined;
  const member = audience.find((each) => subscriberOf(each) === subscriber);
  return member === undefined ? undefined : optionsOf(member);
}

/** The audience with a new subscriber. */
export function withMember(
  audience: Audience | undefined,
  subscriber: Subscriber,
  options: SubscriptionOptions,
): Audience {
  if (audience instanceof Crowd) {
    audience.add(subscriber, options);
    return audience;
  }
  const member = memberOf(subscriber, options);
  if (audience === undefined) return member;
  const members = isList(audience) ? [...audience, member] : [audience, member];
  return members.length > listedMax ? crowdOf(members) : members;
}

/** The audience without a subscriber that is in it. @param walked a crowd stays, because a walk may use it */
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
  for (const member of members) crowd.add(subscriberOf(member), optionsOf(member));
  return crowd;
}
