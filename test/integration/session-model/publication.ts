/** A message that some client publishes, and what is known of when the server has worked on it. */
export class Publication {
  readonly publisher: string;
  /** Of this publisher, rising. */
  readonly seq: number;
  readonly topic: string;
  readonly qos: number;
  /** Steps of the model's clock. */
  readonly sentAt: number;
  /** From here on the server does nothing with it that it has not done before. */
  doneAt = Number.POSITIVE_INFINITY;
  /** The server has said that it has it. */
  acknowledged = false;
  /** PUBLISH packets that the publisher has sent for it. */
  sends = 0;

  constructor(publisher: string, seq: number, topic: string, qos: number, sentAt: number) {
    this.publisher = publisher;
    this.seq = seq;
    this.topic = topic;
    this.qos = qos;
    this.sentAt = sentAt;
  }

  /** Its payload, which is nobody else's. */
  get text(): string {
    return `${this.publisher}:${this.seq}`;
  }

  /** How many messages it may be for a subscriber: at QoS 1 the server may take each try for a new one. */
  get copiesMax(): number {
    return this.qos === 2 ? 1 : this.sends;
  }
}
