import { copyFileSync, mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { ticksPerSec } from '../../../gateway/clock.js';
import { Certificates } from '../../../gateway/tls/certificates.js';
import { type GatewayProcess, startProcess } from '../../gateway-process.js';
import { until } from '../../until.js';
import { Authority } from '../cluster/certificates.js';
import { TlsClient } from './tls-client.js';

/** New certificates are taken while the gateway runs, and no connection is lost to them. */

const root = t.testdir({ live: {}, archive: {}, made: {} });
const authority = new Authority(join(root, 'made'), 'authority');
const names = 'IP:127.0.0.1,DNS:localhost';
let versions = 0;

interface Files {
  certFile: string;
  keyFile: string;
}

/** Keeps files as certbot does: symbolic links in `live`, which are replaced by a rename. */
class Certbot {
  readonly #name: string;
  readonly certFile: string;
  readonly keyFile: string;

  constructor(name: string, first: Files) {
    this.#name = name;
    mkdirSync(join(root, 'archive', name));
    mkdirSync(join(root, 'live', name));
    this.certFile = join(root, 'live', name, 'fullchain.pem');
    this.keyFile = join(root, 'live', name, 'privkey.pem');
    this.deploy(first);
  }

  deploy({ certFile, keyFile }: Files): void {
    this.link(certFile, this.certFile);
    this.link(keyFile, this.keyFile);
  }

  link(from: string, to: string): void {
    const version = join(root, 'archive', this.#name, `${versions++}.pem`);
    copyFileSync(from, version);
    symlinkSync(version, `${to}.new`);
    renameSync(`${to}.new`, to);
  }
}

async function start(t: Test, { certFile, keyFile }: Files): Promise<GatewayProcess> {
  const flags = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--heartbeat-sec', '0'];
  const gateway = await startProcess({ flags });
  t.teardown(() => gateway.kill());
  return gateway;
}

async function shown(gateway: GatewayProcess): Promise<string> {
  const client = await TlsClient.open(gateway.port, authority.file);
  const { serverName } = client;
  client.close();
  return serverName;
}

t.test('a renewed certificate, as certbot puts it there', async (t) => {
  const certbot = new Certbot('renewed', authority.issue('one', names));
  const gateway = await start(t, certbot);
  const stream = await TlsClient.open(gateway.port, authority.file);
  const kept = await TlsClient.open(gateway.port, authority.file);
  t.teardown(() => [stream.close(), kept.close()]);
  stream.ask('/stream/1');
  await stream.saw('chunked');
  kept.ask('/numbers');
  await kept.saw('"connections"');

  // Somebody connects all the time.
  let stop = false;
  const connecting = (async () => {
    let opened = 0;
    for (; !stop; opened++) {
      const client = await TlsClient.open(gateway.port, authority.file);
      client.ask('/numbers');
      await client.saw('"connections"');
      client.close();
      kept.text = '';
      kept.ask('/numbers'); // on an old connection, which uWS closes after some seconds without a request
      await kept.saw('"connections"');
    }
    return opened;
  })();
  for (const name of ['two', 'three']) {
    certbot.deploy(authority.issue(name, names));
    await until(`${name} is shown`, async () => (await shown(gateway)) === name);
  }
  stop = true;
  t.ok((await connecting) > 0);

  t.equal(await gateway.send('1', 'Hello'), 1);
  await stream.saw('Hello');
  t.equal(stream.closed, false);
  t.equal(kept.closed, false);
  t.match(await gateway.stats(), { tls: { renewed: 2, rejected: 0 } });
  t.match(gateway.log, 'new certificates');
});

t.test('files that do not fit leave the old certificate in use, and the log says so', async (t) => {
  const certbot = new Certbot('unfit', authority.issue('good', names));
  const gateway = await start(t, certbot);
  const other = authority.issue('other', names);
  certbot.link(other.certFile, certbot.certFile);
  await until('it is said', () => gateway.log.includes('cannot be used'));
  t.match(gateway.log, `The private key in ${certbot.keyFile} is not the one of the certificate in`);
  t.equal(await shown(gateway), 'good');
  t.match(await gateway.stats(), { tls: { renewed: 0, rejected: 1 } });

  certbot.link(other.keyFile, certbot.keyFile);
  await until('the key has come, too', async () => (await shown(gateway)) === 'other');
  t.match(await gateway.stats(), { tls: { renewed: 1, rejected: 1 } });

  const broken = join(root, 'made', 'broken.pem');
  writeFileSync(broken, 'not a certificate');
  certbot.link(broken, certbot.certFile);
  await until('it is said', () => gateway.log.includes('holds no certificate in PEM'));
  t.equal(await shown(gateway), 'other');
});

t.test('a file that is written anew in its place', async (t) => {
  const first = authority.issue('before', names);
  const files = { certFile: join(root, 'cert.pem'), keyFile: join(root, 'key.pem') };
  copyFileSync(first.certFile, files.certFile);
  copyFileSync(first.keyFile, files.keyFile);
  const gateway = await start(t, files);
  const second = authority.issue('after', names);
  copyFileSync(second.certFile, files.certFile);
  copyFileSync(second.keyFile, files.keyFile);
  await until('it is shown', async () => (await shown(gateway)) === 'after');
});

t.test('files that are touched, or written again as they were, make no new app', async (t) => {
  const certificate = authority.issue('same', names);
  const other = authority.issue('another', names);
  const files = { certFile: join(root, 'same.pem'), keyFile: join(root, 'same-key.pem') };
  const write = (from: Files) => {
    copyFileSync(from.certFile, files.certFile);
    copyFileSync(from.keyFile, files.keyFile);
  };
  write(certificate);
  const certificates = new Certificates([files], pino({ level: 'silent' }));
  let made = 0;
  certificates.onRenewed(() => {
    made++;
    return () => undefined;
  });
  const look = async () => {
    for (let tick = 0; tick < 2 * ticksPerSec; tick++) certificates.tick();
    await setTimeout(50);
  };
  for (let sec = 1; sec <= 3; sec++) {
    write(certificate);
    utimesSync(files.certFile, sec, sec);
    await look();
  }
  t.equal(made, 0);
  t.equal(certificates.renewed, 0);
  write(other);
  await until('others are taken', async () => {
    await look();
    return made === 1;
  });
  t.equal(certificates.renewed, 1);
});

t.test('when a certificate ends is in /stats, and one that has ended is in the log', async (t) => {
  const two = await start(t, authority.issue('two-days', names));
  const { expiresAtSec } = (await two.stats()).tls;
  t.ok(Math.abs(expiresAtSec - (Date.now() / 1000 + 2 * 86_400)) < 3600);
  t.notMatch(two.log, 'expire');
  const ended = await start(t, authority.issue('ended', names, 0));
  await until('it is said', () => ended.log.includes('a certificate has expired'));
});

t.test('one that ends soon is in the log once a day', async (t) => {
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  const startMs = Date.now();
  let days = 0;
  const now = () => startMs + days * 86_400_000;
  const certificates = new Certificates([authority.issue('forty-days', names, 40)], log, { now });
  const sayAt = async (day: number) => {
    days = day;
    lines.length = 0;
    for (let ticks = 0; ticks < 100; ticks++) {
      certificates.tick();
      await setTimeout(1);
    }
    return lines.join();
  };
  t.equal(await sayAt(29), '');
  t.equal(await sayAt(31), 'a certificate expires soon: renew it');
  t.equal(await sayAt(31.5), '');
  t.equal(await sayAt(33), 'a certificate expires soon: renew it');
  t.equal(await sayAt(41), 'a certificate has expired: clients refuse to connect, renew it');
});
