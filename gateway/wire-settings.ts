import { addressRuleShape } from './address-rules.js';
import { listOf, oneOf, type Setting, setting, text } from './setting.js';

/** Settings of TLS, and of the addresses that may connect. */
export const wireSettings = {
  tlsCertFile: setting(
    listOf('paths of files, comma-separated', /\S/),
    [],
    'certificate with its chain in PEM; several, comma-separated, are told apart by the host names in them, and clients that name none get the first. Read again when they change',
  ),
  tlsKeyFile: setting(
    listOf('paths of files, comma-separated', /\S/),
    [],
    'private keys of --tls-cert-file, in its order',
  ),
  tlsListeners: setting(
    listOf('gateway, mqtt and api, comma-separated', /^(?:gateway|mqtt|api)$/),
    ['gateway', 'mqtt'],
    'listeners with TLS where --tls-cert-file is set: gateway = --port, mqtt = --mqtt-port, api = --api-port',
  ),
  tlsMinVersion: setting(oneOf(['1.2', '1.3']), '1.2', 'least version of TLS'),
  tlsCiphers: setting(
    text('names of cipher suites as in OpenSSL, separated by :'),
    '',
    'cipher suites of TLS 1.2; none: those that BoringSSL takes. Those of TLS 1.3 are always allowed',
  ),
  tlsClientCaFile: setting(
    text('the path of a file'),
    '',
    'authority of client certificates in PEM; clients are asked for one, and --auth certificate takes the name in it for the user name',
  ),
  addressRules: setting(
    listOf('rules "<allow|deny> <address, range or all>", separated by ;', addressRuleShape, ';'),
    [],
    'which addresses may connect to the gateway and to --mqtt-port; the first rule that an address is in decides, and one that is in none may: "allow 10.0.0.0/8;deny all". Sockets of others are closed before anything is read',
  ),
  apiAddressRules: setting(
    listOf('rules "<allow|deny> <address, range or all>", separated by ;', addressRuleShape, ';'),
    [],
    'the same for the router API',
  ),
  trustedProxies: setting(
    listOf('addresses or ranges such as 10.0.0.0/8, comma-separated', /\S/),
    [],
    'proxies that say where their clients are, as --client-address-from wants it; what others say is ignored',
  ),
  clientAddressFrom: setting(
    oneOf(['x-forwarded-for', 'forwarded', 'proxy-protocol']),
    'x-forwarded-for',
    'where the proxies of --trusted-proxies say the address of a client: in a header field, which has to be one that they write themselves, as a client could send the other; or in a PROXY header (version 2), not for the router API',
  ),
} satisfies Record<string, Setting>;
