import { StringDecoder } from 'node:string_decoder';

const interrupt = '\u0003';
const endOfInput = '\u0004';
const clear = '\u0015';
const escapeKey = '\u001b';
const backspaces: ReadonlySet<string> = new Set(['\u0008', '\u007f']);

/**
 * Asks at the terminal for lines that are not shown, also those that are typed ahead. Ctrl-C ends the process, as
 * everywhere else.
 */
export function hiddenLines(questions: readonly string[]): Promise<string[]> {
  const { stdin, stderr } = process;
  const decoder = new StringDecoder('utf8');
  const lines: string[] = [];
  let line = '';
  /** An escape sequence is read, as of an arrow key; a letter or ~ ends it. */
  let inEscape = false;
  stdin.setRawMode(true); // before the question, which may be answered at once
  stderr.write(questions[0]!);
  return new Promise((resolve) => {
    const end = () => {
      stdin.off('data', read);
      stdin.pause();
      stdin.setRawMode(false);
      stderr.write('\n');
    };
    const read = (bytes: Buffer) => {
      for (const character of decoder.write(bytes)) {
        if (inEscape) inEscape = !/[A-Za-z~]/.test(character);
        else if (character === escapeKey) inEscape = true;
        else if (character === interrupt || (character === endOfInput && line === '')) {
          end();
          process.exit(130);
        } else if (character === '\r' || character === '\n') {
          lines.push(line);
          line = '';
          if (lines.length === questions.length) {
            end();
            resolve(lines);
            return;
          }
          stderr.write(`\n${questions[lines.length]}`);
        } else if (backspaces.has(character)) line = [...line].slice(0, -1).join('');
        else if (character === clear) line = '';
        else line += character;
      }
    };
    stdin.on('data', read);
    stdin.resume();
  });
}
