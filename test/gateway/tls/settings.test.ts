import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readCertificate } from '../../../gateway/tls/certificate.js';
import { configFile, problemOf as problemOfFile } from '../../cli/config-file.js';
import { encke } from '../../cli/encke.js';
import { Authority } from '../cluster/certificates.js';

/** Settings of TLS, addresses and proxies that cannot be, each with a sentence that says what to do. */

const directory = t.testdir({});
const authority = new Authority(directory, 'authority');
const good = authority.issue('good');
const other = authority.issue('other');

const problemOf = (settings: Record<string, unknown>) => problemOfFile(configFile(settings));
const tls = { tlsCertFile: [good.certFile], tlsKeyFile: [good.keyFile] };

t.test('settings that do not go together', async (t) => {
  t.equal(problemOf(tls), '');
  t.match(problemOf({ tlsCertFile: ['a.pem'] }), '--tls-cert-file has 1 file and --tls-key-file 0 files');
  t.match(problemOf({ tlsMinVersion: '1.3' }), 'there is no TLS: add --tls-cert-file');
  t.match(problemOf({ tlsListeners: ['api'] }), 'there is no TLS: add --tls-cert-file');
  t.match(
    problemOf({ ...tls, tlsMinVersion: '1.3', tlsCiphers: 'A' }),
    '--tls-ciphers are suites of TLS 1.2',
  );
  t.match(problemOf({ ...tls, tlsMinVersion: '1.1' }), 'must be one of 1.2, 1.3');
  t.match(problemOf({ ...tls, tlsListeners: ['smtp'] }), 'must be gateway, mqtt and api');
  t.match(problemOf({ ...tls, tlsClientCaFile: authority.file }), 'add --auth certificate');
  t.match(problemOf({ ...tls, auth: ['certificate'] }), 'set --tls-client-ca-file');
  t.equal(problemOf({ ...tls, auth: ['certificate'], tlsClientCaFile: authority.file }), '');
  t.match(
    problemOf({ addressRules: ['allow 10.0.0.0/40'] }),
    '"10.0.0.0/40" is neither an address nor a range',
  );
  t.match(problemOf({ addressRules: ['permit all'] }), 'must be rules');
  t.match(problemOf({ apiAddressRules: ['deny everybody'] }), '--api-address-rules has "deny everybody"');
  t.match(problemOf({ trustedProxies: ['proxy.example.com'] }), '--trusted-proxies: "proxy.example.com"');
  t.match(problemOf({ clientAddressFrom: 'forwarded' }), 'no proxy is trusted: add --trusted-proxies');
  const proxied = { trustedProxies: ['10.0.0.1'], clientAddressFrom: 'proxy-protocol' };
  t.equal(problemOf(proxied), '');
  t.match(problemOf({ ...proxied, ...tls }), 'a PROXY header comes before the handshake');
  t.equal(problemOf({ ...proxied, ...tls, tlsListeners: ['api'] }), '');
});

t.test('files that cannot be used stop the start', async (t) => {
  const junk = join(directory, 'junk.pem');
  writeFileSync(junk, 'junk');
  const [certInDer, keyInDer] = [join(directory, 'cert.der'), join(directory, 'key.der')];
  writeFileSync(certInDer, new X509Certificate(readFileSync(good.certFile)).raw);
  writeFileSync(
    keyInDer,
    createPrivateKey(readFileSync(good.keyFile)).export({ type: 'pkcs8', format: 'der' }),
  );
  for (const [files, sentence] of [
    [{ ...good, certFile: certInDer }, /cert\.der holds a certificate in DER.*openssl x509 -inform der/],
    [{ ...good, keyFile: keyInDer }, /key\.der holds no private key in PEM.*openssl pkey -inform der/],
  ] as const)
    t.throws(() => readCertificate(files), { message: sentence });
  for (const [certFile, keyFile, sentence] of [
    [join(directory, 'none.pem'), good.keyFile, 'none.pem cannot be read (ENOENT)'],
    [junk, good.keyFile, 'junk.pem holds no certificate in PEM'],
    [good.certFile, junk, 'junk.pem holds no private key in PEM'],
    [good.certFile, other.keyFile, 'is not the one of the certificate in'],
  ] as const) {
    const args = ['start', '--tls-cert-file', certFile, '--tls-key-file', keyFile];
    const { code, stderr } = await encke(args, { timeoutMs: 120_000 });
    t.equal(code, 2, sentence);
    t.match(stderr, `encke start: --tls-cert-file, --tls-key-file: `);
    t.match(stderr, sentence);
  }
});
