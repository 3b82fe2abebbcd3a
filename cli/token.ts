import { Command, InvalidArgumentError, Option } from 'commander';
import type { JWTPayload } from 'jose';
import { type SigningKey, signingKeyOfFile, signingKeyOfSecret, signToken } from '../access/jwt-signing.js';
import { problemOfRuleFilter, rulesMax } from '../access/rules.js';
import { environmentNameOf } from '../gateway/config.js';
import { secretIn } from '../gateway/token-file.js';
import { FileError, readNamed } from '../redis-access/named-file.js';
import { collected, durationMs } from './flag-values.js';

interface SignFlags {
  secretFile?: string;
  keyFile?: string;
  algorithm?: string;
  keyId?: string;
  sub?: string;
  userClaim: string;
  subs?: string[];
  pubs?: string[];
  id?: string;
  link?: URL;
  query: string;
  /** Milliseconds; Infinity = the token never ends. */
  expires: number;
  issuer?: string;
  audience?: string;
  claim?: [name: string, value: unknown][];
}

const expiresDefaultMs = 3_600_000;

const help = `
Prints the token and nothing else. Its claims are those that "encke start --auth jwt" looks at: subs and pubs are lists of
topic filters, in which %u is the user name and %c the client id of MQTT.

A token for one id (--id) makes a signed link: whoever has it may read that id, until it ends, and nothing else. With
--link the link is printed, for a gateway that is started with --auth-jwt-query.

Examples:
  encke token --secret-file /etc/encke/jwt-secret --sub alice --subs 'user/alice/#' --expires 1h
  encke token --key-file private.pem --key-id 2026-12 --sub alice --subs 'user/%u/#' --pubs 'user/%u/out'
  encke token --secret-file /etc/encke/jwt-secret --id room/7 --expires 1h --link https://push.example.com/events
  curl -N -H "Authorization: Bearer $(encke token --id room/7)" http://127.0.0.1:8000/stream/room/7`;

/** `encke token`: makes the tokens that `encke start --auth jwt` takes. */
export function tokenCommand(): Command {
  return new Command('token')
    .description('make a token (JWT) for a user, or for one id, as --auth jwt takes it')
    .addOption(
      new Option('--secret-file <path>', 'a file that holds the secret that is shared with the gateway').env(
        environmentNameOf('authJwtSecretFile'),
      ),
    )
    .option('--key-file <path>', 'a private key in PEM or as JWK, in the place of a secret')
    .option('--algorithm <name>', 'such as PS256 (default: HS256, RS256, ES256 or EdDSA, as the key is)')
    .option('--key-id <id>', 'claim kid, where the gateway has a key set')
    .option('--sub <name>', 'user name')
    .addOption(
      new Option('--user-claim <name>', 'claim that has it, as the gateway is set')
        .env(environmentNameOf('authJwtUserClaim'))
        .default('sub'),
    )
    .option(
      '--subs <filter>',
      'topic filter that the user may read; several times for several',
      collected(filterOf),
    )
    .option(
      '--pubs <filter>',
      'topic filter that the user may publish to; several times',
      collected(filterOf),
    )
    .option('--id <id>', 'the one id that it may read', idOf)
    .option('--link <url>', 'with --id: print the link to it, such as http://127.0.0.1:8000/events', linkOf)
    .addOption(
      new Option('--query <name>', 'with --link: parameter of the token, as the gateway is set')
        .env(environmentNameOf('authJwtQuery'))
        .default('access_token'),
    )
    .addOption(
      new Option('--expires <duration>', 'when it ends, such as 10m, 30d or never')
        .default(expiresDefaultMs, '1h')
        .argParser(expiryOf),
    )
    .option('--issuer <name>', 'claim iss')
    .option('--audience <name>', 'claim aud')
    .option('--claim <name=value>', 'another claim, a text or JSON; several times', collected(claimOf))
    .addHelpText('after', help)
    .action(printToken);
}

async function printToken(flags: SignFlags, command: Command): Promise<void> {
  const wrong = (sentence: string): never => command.error(`error: ${sentence}`, { exitCode: 2 });
  if (flags.id !== undefined && flags.subs !== undefined)
    wrong('--id is the one id that may be read: leave out --subs.');
  if (flags.link !== undefined && flags.id === undefined)
    wrong('--link goes with --id: it is the link to that id.');
  const key = signingKeyOf(flags, command);
  const algorithm = flags.algorithm ?? key.algorithms[0]!;
  if (!key.algorithms.includes(algorithm))
    wrong(`--algorithm ${algorithm} does not go with this key: give one of ${key.algorithms.join(', ')}.`);
  const payload = payloadOf(flags);
  if (
    ((payload.subs as string[]) ?? []).length > rulesMax ||
    ((payload.pubs as string[]) ?? []).length > rulesMax
  )
    wrong(`a token has at most ${rulesMax} filters in subs and in pubs.`);
  const signingKey = flags.keyId === undefined ? key : { ...key, keyId: flags.keyId };
  const token = await signToken(payload, signingKey, algorithm);
  process.stdout.write(`${flags.link === undefined ? token : linkWith(flags.link, token, flags)}\n`);
}

/** The id is a parameter of the query: a browser would resolve `..` in the path of the link. */
function linkWith(link: URL, token: string, { id, query }: SignFlags): string {
  const url = new URL(link);
  url.searchParams.append('id', id!);
  url.searchParams.append(query, token);
  return url.href;
}

function payloadOf({
  sub,
  userClaim,
  subs,
  pubs,
  id,
  expires,
  issuer,
  audience,
  claim = [],
}: SignFlags): JWTPayload {
  const nowSec = Math.floor(Date.now() / 1000);
  const readable = id === undefined ? subs : [id];
  return {
    ...Object.fromEntries(claim),
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(audience === undefined ? {} : { aud: audience }),
    ...(sub === undefined ? {} : { [userClaim]: sub }),
    ...(readable === undefined ? {} : { subs: readable }),
    ...(pubs === undefined ? {} : { pubs }),
    iat: nowSec,
    ...(Number.isFinite(expires) ? { exp: nowSec + Math.ceil(expires / 1000) } : {}),
  };
}

/** A key file of a flag overrides a secret file of the variable. */
function signingKeyOf({ secretFile, keyFile }: SignFlags, command: Command): SigningKey {
  const wrong = (sentence: string): never => command.error(`error: ${sentence}`, { exitCode: 2 });
  if (keyFile !== undefined && command.getOptionValueSource('secretFile') === 'cli')
    wrong('--secret-file and --key-file are both given: a token is signed with one of them.');
  const [flag, path] = keyFile === undefined ? ['--secret-file', secretFile] : ['--key-file', keyFile];
  if (path === undefined)
    return wrong('give what tokens are signed with: --secret-file, or --key-file with a private key.');
  try {
    const text = readNamed(flag!, path);
    return keyFile === undefined ? signingKeyOfSecret(secretIn(text)) : signingKeyOfFile(text);
  } catch (error) {
    if (error instanceof FileError) return wrong(error.message);
    return wrong(`${flag} ${path} cannot be used (${(error as Error).message}).`);
  }
}

function filterOf(text: string): string {
  const problem = problemOfRuleFilter(text);
  if (problem !== undefined) throw new InvalidArgumentError(problem);
  return text;
}

/** The id becomes the filter of a rule, so it may have nothing in it that stands for other text. */
function idOf(text: string): string {
  if (!/[+#]|%[uc]/.test(text)) return filterOf(text);
  throw new InvalidArgumentError('Give one id, without wildcards, %u and %c; for more, there is --subs.');
}

function linkOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && /^[^?#@]*$/.test(text)) return url;
  throw new InvalidArgumentError(
    'Give the http URL of a stream or poll, such as http://127.0.0.1:8000/events.',
  );
}

function expiryOf(text: string): number {
  if (text === 'never') return Number.POSITIVE_INFINITY;
  const ms = durationMs(text);
  if (ms > 0) return ms;
  throw new InvalidArgumentError('Give a duration above 0, such as 1h, or never.');
}

function claimOf(text: string): [name: string, value: unknown] {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('Give name=value, such as tenant=acme.');
  try {
    return [name, JSON.parse(value!)];
  } catch {
    return [name, value];
  }
}
