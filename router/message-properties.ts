import { arrayBytes, objectBytes, textBytes } from './heap-cost.js';
import { ownBytes } from './own-copy.js';

/** The properties that a publisher may give a message, all of them optional; see MQTT 5, 3.3.2.3. */
export interface PropertyValues {
  /** The payload is text in UTF-8. */
  readonly isText?: boolean;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  /** Names and values in the publisher's order; a name may come more than once. */
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
  /** The id that the message was sent to, where it comes to one of the ids that follow that. */
  readonly about?: string;
  /** Of such a message between nodes: the same for all copies of one send, and for no other send. */
  readonly send?: string;
}

/**
 * The properties of one message: made once, shared by all recipients, and never changed. The block owns its bytes. Only
 * messages with properties have one.
 */
export class MessageProperties implements PropertyValues {
  readonly isText: boolean;
  declare readonly contentType?: string;
  declare readonly responseTopic?: string;
  declare readonly correlationData?: Uint8Array;
  declare readonly about?: string;
  declare readonly send?: string;
  readonly userProperties: readonly (readonly [name: string, value: string])[];
  /** Most bytes in V8's heap. */
  readonly bytes: number;

  constructor(values: PropertyValues) {
    const { contentType, responseTopic, correlationData, userProperties = [] } = values;
    this.isText = values.isText ?? false;
    if (contentType !== undefined) this.contentType = contentType;
    if (responseTopic !== undefined) this.responseTopic = responseTopic;
    if (correlationData !== undefined) this.correlationData = ownBytes(correlationData);
    if (values.about !== undefined) this.about = values.about;
    if (values.send !== undefined) this.send = values.send;
    this.userProperties = Object.freeze(
      userProperties.map(([name, value]) => Object.freeze([name, value] as const)),
    );
    this.bytes = heapBytesOf(this);
    Object.freeze(this);
  }
}

/** Of a typed array, besides its bytes. */
const typedArrayBytes = 200;

function heapBytesOf({
  contentType = '',
  responseTopic = '',
  correlationData,
  userProperties,
  about = '',
}: PropertyValues): number {
  let bytes = objectBytes(6) + textBytes(contentType) + textBytes(responseTopic) + textBytes(about);
  if (correlationData !== undefined) bytes += typedArrayBytes + correlationData.length;
  const pairs = userProperties ?? [];
  bytes += arrayBytes(pairs.length);
  for (const [name, value] of pairs) bytes += arrayBytes(2) + textBytes(name) + textBytes(value);
  return bytes;
}
