/** The owner of a session, as far as it is known. */
export interface SessionOwner {
  /** Last address of its client, or its IPv6 /64. */
  readonly address: string;
  readonly userName: string | undefined;
}
