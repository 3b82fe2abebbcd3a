import type { Qos } from './message.js';

/**
 * The options of a subscription as one small number, so that no subscription needs an object for them. The bits are those
 * of MQTT 5 (3.8.3.1), and a bare QoS is a valid number:
 *
 *     0, 1, 2   the highest QoS
 *     4         No Local: nothing that the subscriber's own client has published
 *     8         Retain As Published: RETAIN is set as the publisher has set it; else it is 0 on all but retained messages
 *
 * No transport asks for the last two yet: MQTT 3.1.1 and HTTP have none of them. The bits above are free. An identifier of a
 * subscription (MQTT 5, 3.8.2.1.2) has 28 bits and is no option: it belongs into a map of the few that have one, by subscriber
 * and filter, with the next bit here to say that there is one.
 */
export type SubscriptionOptions = number;

export const noLocal = 4;
export const retainAsPublished = 8;

/** The options of a delivery: its QoS, which is the lower of the publisher's and of the subscription's, and `retainSet`. */
export type DeliveryOptions = number;

/** RETAIN is to be set in the packet of this delivery. */
export const retainSet = 8;

const qosMask = 3;
const allBits = qosMask | noLocal | retainAsPublished;

/** Of a subscription or of a delivery. */
export function qosIn(options: SubscriptionOptions | DeliveryOptions): Qos {
  return (options & qosMask) as Qos;
}

export function isSubscriptionOptions(value: unknown): value is SubscriptionOptions {
  return Number.isInteger(value) && ((value as number) & ~allBits) === 0 && qosIn(value as number) < 3;
}

/**
 * Of two filters of one subscriber that match a message: the highest QoS, and RETAIN as published where one of them wants
 * it. No Local is not among them: a filter with it is left out where it holds, and counts as any other where it does not.
 */
export function overlapOf(one: SubscriptionOptions, other: SubscriptionOptions): SubscriptionOptions {
  return Math.max(one & qosMask, other & qosMask) | ((one | other) & retainAsPublished);
}
