import type { Qos } from './message.js';

/**
 * The options of a subscription as one small number, so that no subscription needs an object for them. The bits are
 * those of MQTT 5 (3.8.3.1), and a bare QoS is a valid number:
 *
 *     0, 1, 2   the highest QoS
 *     4         No Local: nothing that the subscriber's own client has published
 *     8         Retain As Published: RETAIN is set as the publisher has set it; else it is 0 on all but retained messages
 *
 * No transport uses the last two yet: MQTT 3.1.1 and HTTP do not have them. Higher bits are free. A subscription
 * identifier (MQTT 5, 3.8.2.1.2) has 28 bits, so it belongs into a side map by subscriber and filter, with the next bit
 * here to mark it.
 */
export type SubscriptionOptions = number;

export const noLocal = 4;
export const retainAsPublished = 8;

/** The options of a delivery: its QoS, the lower of the publisher's and the subscription's, and `retainSet`. */
export type DeliveryOptions = number;

/** The packet of this delivery has RETAIN. */
export const retainSet = 8;

const qosMask = 3;
const allBits = qosMask | noLocal | retainAsPublished;

/** Of a subscription or of a delivery. */
export function qosIn(options: SubscriptionOptions | DeliveryOptions): Qos {
  return (options & qosMask) as Qos;
}

/** Whether the delivery has RETAIN set. */
export function isRetained(options: DeliveryOptions): boolean {
  return (options & retainSet) !== 0;
}

export function isSubscriptionOptions(value: unknown): value is SubscriptionOptions {
  return Number.isInteger(value) && ((value as number) & ~allBits) === 0 && qosIn(value as number) < 3;
}

/**
 * Combines two matching filters of one subscriber: the highest QoS, and Retain As Published if one of them has it. No
 * Local is not combined: its filter is skipped for the subscriber's own messages, and counts as any other for other
 * messages.
 */
export function overlapOf(one: SubscriptionOptions, other: SubscriptionOptions): SubscriptionOptions {
  return Math.max(one & qosMask, other & qosMask) | ((one | other) & retainAsPublished);
}
