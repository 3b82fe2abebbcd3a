/** Why a call of a function has no answer: `away` = it was not called, or nobody knows; `late`, `superseded` = it did nothing; `refused` = so said the server. */
export class ShardError extends Error {
  readonly kind: 'away' | 'late' | 'superseded' | 'refused';

  constructor(kind: ShardError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

export function away(name: string): ShardError {
  return new ShardError('away', `Redis at ${name} is away.`);
}

/** An answer of the server says that it did nothing; any other error, that nobody knows. */
export function shardErrorOf(error: Error): ShardError {
  const { name, message } = error;
  if (message.startsWith('LATE ')) return new ShardError('late', message);
  if (supersededShape.test(message)) return new ShardError('superseded', message);
  return new ShardError(name === 'ReplyError' ? 'refused' : 'away', message);
}

/** This connection is of no use any more: to begin again is; on what is the master by then, with the functions loaded. */
const supersededShape = /^(SUPERSEDED|READONLY|MASTERDOWN|LOADING) |Function not found/;
