/** The client that a session belongs to, as far as anybody can tell. */
export interface SessionOwner {
  /** Where its client was connected from last: one address, or what a single customer usually has of them. */
  readonly address: string;
  readonly userName: string | undefined;
}
