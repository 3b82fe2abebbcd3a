// The input cannot be drawn. The message is one sentence with the remedy, and the command ends with exit code 2. Any
// other error from this room is a bug.

export class ChartInputError extends Error {
  override readonly name = 'ChartInputError';
}
