import t from 'tap';
import { passwordCheckOf } from '../../access/password-check.js';
import { problemOfPassword, storedPasswordOf } from '../../access/stored-password.js';

t.test('a password is stored so that it is found good, and another one is not', async (t) => {
  const hashes = [
    ...['plain', 'md5', 'sha256', 'salt,md5', 'md5,salt', 'salt,sha256', 'sha256,salt'],
    ...['pbkdf2,sha256,1000,20', 'pbkdf2,sha512,10,64', 'bcrypt'],
  ];
  for (const hash of hashes) {
    const { password, salt } = await storedPasswordOf(hash, 'pa:ss wörd');
    const check = passwordCheckOf(hash);
    t.equal(await check.matches(Buffer.from('pa:ss wörd'), password, salt), true, hash);
    t.equal(await check.matches(Buffer.from('pa:ss word'), password, salt), false, hash);
    const again = await storedPasswordOf(hash, 'pa:ss wörd');
    const isSalted = hash.includes('salt') || hash.startsWith('pbkdf2') || hash === 'bcrypt';
    t.equal(
      again.password !== password,
      isSalted,
      `${hash}: equal passwords are not seen, where it has a salt`,
    );
  }
});

t.test('what cannot be a password is refused', async (t) => {
  t.match(problemOfPassword('plain', ''), /at least one/);
  t.match(problemOfPassword('plain', 'x'.repeat(65_536)), /65535/);
  t.equal(problemOfPassword('plain', 'x'.repeat(65_535)), undefined);
  t.equal(problemOfPassword('bcrypt', 'x'.repeat(72)), undefined);
  t.match(problemOfPassword('bcrypt', 'x'.repeat(73)), /72 bytes/, 'bcrypt would leave out its end');
  t.match(problemOfPassword('bcrypt', 'a\0b'), /NUL/);
});
