/** How many MQTT connections are open, so that they leave room for HTTP streams. */
export class OpenChannels {
  readonly #max: number;
  /** Now. */
  count = 0;

  /** @param max 0 = no limit but that of all connections */
  constructor(max: number) {
    this.#max = max;
  }

  get full(): boolean {
    return this.#max > 0 && this.count >= this.#max;
  }
}
