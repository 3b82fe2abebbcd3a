import { problemOfAddressRange, problemOfAddressRule } from './address-rules.js';
import { flagOf } from './setting.js';
import type { Config } from './settings.js';
import { wireSettings } from './wire-settings.js';

/** Settings of the wire that do not go together. @returns what is wrong, as a sentence that says how to mend it */
export function inconsistencyOfWire(config: Config): string | undefined {
  return (
    keysMissing(config) ??
    tlsWithoutCertificate(config) ??
    suitesOfNoVersion(config) ??
    certificatesUnused(config) ??
    badAddress(config) ??
    unreadableProxyHeader(config)
  );
}

function keysMissing({ tlsCertFile, tlsKeyFile }: Config): string | undefined {
  if (tlsCertFile.length === tlsKeyFile.length) return undefined;
  return `--tls-cert-file has ${countOf(tlsCertFile)} and --tls-key-file ${countOf(tlsKeyFile)}: give each certificate its private key, in the same order.`;
}

function countOf(files: readonly string[]): string {
  return files.length === 1 ? '1 file' : `${files.length} files`;
}

const dependentKeys = ['tlsListeners', 'tlsMinVersion', 'tlsCiphers', 'tlsClientCaFile'] as const;

/** An operator who has set one believes that there is TLS. */
function tlsWithoutCertificate(config: Config): string | undefined {
  if (config.tlsCertFile.length > 0) return undefined;
  const key = dependentKeys.find((each) => String(config[each]) !== String(wireSettings[each].default));
  return (
    key &&
    `${flagOf(key)} is set, but there is no TLS: add --tls-cert-file and --tls-key-file, or leave it out.`
  );
}

function suitesOfNoVersion({ tlsMinVersion, tlsCiphers }: Config): string | undefined {
  if (tlsMinVersion === '1.2' || tlsCiphers === '') return undefined;
  return '--tls-ciphers are suites of TLS 1.2, which --tls-min-version 1.3 does not take: leave one of them out.';
}

/** uWebSockets asks for a certificate, and lets a client without one go on: only an authenticator can want one. */
function certificatesUnused({ auth, tlsClientCaFile }: Config): string | undefined {
  if (auth.includes('certificate') === (tlsClientCaFile !== '')) return undefined;
  return tlsClientCaFile === ''
    ? '--auth certificate needs the authority of the certificates: set --tls-client-ca-file.'
    : '--tls-client-ca-file is set, but clients without a certificate would come in all the same: add --auth certificate, or leave it out.';
}

function badAddress(config: Config): string | undefined {
  for (const key of ['addressRules', 'apiAddressRules'] as const) {
    for (const rule of config[key]) {
      const problem = problemOfAddressRule(rule);
      if (problem !== undefined) return `${flagOf(key)} has "${rule}". ${problem}`;
    }
  }
  for (const text of config.trustedProxies) {
    const problem = problemOfAddressRange(text);
    if (problem !== undefined) return `--trusted-proxies: ${problem}`;
  }
  return undefined;
}

/** uWebSockets reads the header behind the handshake, and proxies send it before. */
function unreadableProxyHeader(config: Config): string | undefined {
  const { clientAddressFrom, trustedProxies, tlsCertFile, tlsListeners } = config;
  if (clientAddressFrom !== wireSettings.clientAddressFrom.default && trustedProxies.length === 0)
    return `--client-address-from is set, but no proxy is trusted: add --trusted-proxies, or leave it out.`;
  if (clientAddressFrom !== 'proxy-protocol' || tlsCertFile.length === 0) return undefined;
  if (!tlsListeners.includes('gateway') && !tlsListeners.includes('mqtt')) return undefined;
  return '--client-address-from proxy-protocol does not go with --tls-cert-file, as a PROXY header comes before the handshake and cannot be read there: let the proxy end TLS, or keep the gateway out of --tls-listeners.';
}
