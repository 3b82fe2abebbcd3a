// The input cannot be drawn: the message is one sentence that says how to mend it, and the command
// ends with exit code 2. Everything else that is thrown in this room is a bug.

export class ChartInputError extends Error {
  override readonly name = 'ChartInputError';
}
