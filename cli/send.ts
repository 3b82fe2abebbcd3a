import { Command, Option } from 'commander';
import { serverUrl } from './values.js';

interface SendFlags {
  qos?: '0' | '1' | '2';
  retain?: true;
  url?: URL;
  token?: string;
}

/** `encke send <id> <message>`: one message through the router API. */
export function sendCommand(): Command {
  return new Command('send')
    .description('send one message to whoever is logged in under an id')
    .argument('<id>', 'who it is for')
    .argument('<message>', 'the text; - reads it from standard input')
    .addOption(
      new Option('--url <url>', 'router API (default: http://127.0.0.1:8001)')
        .env('ENCKE_API_URL')
        .argParser(serverUrl),
    )
    .addOption(new Option('--token <token>', "the router API's token").env('ENCKE_API_TOKEN'))
    .addOption(
      new Option(
        '-q, --qos <qos>',
        'how hard MQTT deliveries are tried; each subscriber gets the lower of this and its own (default: 1)',
      ).choices(['0', '1', '2']),
    )
    .option('-r, --retain', 'keep it for who subscribes later; an empty message clears what is kept')
    .addHelpText('after', '\nExample:\n  encke send 123 "Hello World"')
    .action(send);
}

async function send(id: string, message: string, flags: SendFlags): Promise<void> {
  const url = flags.url ?? new URL('http://127.0.0.1:8001');
  const body = message === '-' ? await readStandardInput() : Buffer.from(message);
  const headers = flags.token === undefined ? {} : { authorization: `Bearer ${flags.token}` };
  // A Client takes the path as it is; with a URL, the id ".." would be resolved away.
  const path = `/send/${id.split('/').map(encodeURIComponent).join('/')}`;
  const options = new URLSearchParams();
  if (flags.qos !== undefined) options.set('qos', flags.qos);
  if (flags.retain) options.set('retain', '1');
  const query = options.size === 0 ? '' : `?${options}`;
  const { Client } = await import('undici');
  const client = new Client(url.origin);
  try {
    const response = await client.request({ method: 'POST', path: path + query, body, headers });
    const text = (await response.body.text()).trim();
    if (response.statusCode === 200) process.stdout.write(`${text}\n`);
    else fail(`${response.statusCode}: ${text}`);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    fail(
      `the router API at ${url.origin} cannot be reached (${why}). Start it with "encke start", or name another with --url.`,
    );
  } finally {
    await client.close();
  }
}

async function readStandardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function fail(sentence: string): void {
  process.stderr.write(`encke send: ${sentence}\n`);
  process.exitCode = 1;
}
