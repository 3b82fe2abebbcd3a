import { Command, Option } from 'commander';

interface SendFlags {
  url: string;
  token?: string;
}

/** `encke send <id> <message>`: one message through the router API. */
export function sendCommand(): Command {
  return new Command('send')
    .description('send one message to whoever is logged in under an id')
    .argument('<id>', 'who it is for')
    .argument('<message>', 'the text; - reads it from standard input')
    .addOption(new Option('--url <url>', 'router API').env('ENCKE_API_URL').default('http://127.0.0.1:8001'))
    .addOption(new Option('--token <token>', "the router API's token").env('ENCKE_API_TOKEN'))
    .addHelpText('after', '\nExample:\n  encke send 123 "Hello World"')
    .action(send);
}

async function send(id: string, message: string, flags: SendFlags): Promise<void> {
  const body = message === '-' ? await readStandardInput() : Buffer.from(message);
  const path = id.split('/').map(encodeURIComponent).join('/');
  const headers = flags.token === undefined ? {} : { authorization: `Bearer ${flags.token}` };
  let url: URL;
  try {
    url = new URL(`/send/${path}`, flags.url);
  } catch {
    return fail(`--url must be a URL such as http://127.0.0.1:8001, not "${flags.url}".`, 2);
  }
  const { request } = await import('undici'); // here, so that `encke start` does not load it
  let answer: { statusCode: number; text: string };
  try {
    const response = await request(url, { method: 'POST', body, headers });
    answer = { statusCode: response.statusCode, text: (await response.body.text()).trim() };
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return fail(
      `the router API at ${flags.url} cannot be reached (${why}). Start it with "encke start", or name another with --url.`,
      1,
    );
  }
  if (answer.statusCode !== 200) return fail(`${answer.statusCode}: ${answer.text}`, 1);
  process.stdout.write(`${answer.text}\n`);
}

async function readStandardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function fail(sentence: string, code: number): void {
  process.stderr.write(`encke send: ${sentence}\n`);
  process.exitCode = code;
}
