import t from 'tap';
import { withoutTokens } from '../../../gateway/without-tokens.js';
import { sign } from '../../access/tokens.js';

/** Tokens in texts that others read. */

t.test('tokens are taken out, wherever they stand, and all else stays', async (t) => {
  const token = await sign({ sub: 'alice' });
  const [header, claims] = token.split('.') as [string, string];
  const shown: [string, string][] = [
    [token, '[token]'],
    [`device-${token}`, 'device-[token]'],
    [`a/${token}/b ${token}`, 'a/[token]/b [token]'],
    [`${header}.${claims}`, '[token]'],
    [`${header}.`, '[token]'],
    [JSON.stringify({ clientId: `x\n${token}`, n: 1 }), '{"clientId":"x\\n[token]","n":1}'],
  ];
  for (const [text, expected] of shown) t.equal(withoutTokens(text), expected);
  const others = [
    '',
    'room/7',
    'keyJson.field',
    'authJwtKeyJwks',
    header,
    'eyJ',
    'push.example.com',
    'eyJ.eyJ.x',
  ];
  for (const text of others) t.equal(withoutTokens(text), text);
});

t.test('JSON stays JSON, whatever a client id begins with', async (t) => {
  const token = await sign({ sub: 'alice' });
  for (const start of ['\u001e', '\\u001', '\\\\u001', '\\', '"', '\n', '\u001f'])
    for (const rest of ['', 'yJ', token.slice(1, 20)]) {
      const { clientId } = JSON.parse(
        withoutTokens(JSON.stringify({ clientId: `${start}${rest}-${token}` })),
      );
      t.equal(clientId, `${start}${rest}-[token]`, JSON.stringify(start + rest));
    }
});

t.test('a client id of 64 KB takes no time worth mentioning', (t) => {
  const started = process.cpuUsage().user;
  withoutTokens('eyJ'.repeat(22_000));
  withoutTokens('eyJa.'.repeat(13_000));
  t.ok(process.cpuUsage().user - started < 1_000_000, 'a pattern that looks back takes seconds');
  t.end();
});
