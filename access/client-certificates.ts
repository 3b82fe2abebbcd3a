import {
  type AuthenticationResult,
  type Authenticator,
  type Credentials,
  unknownUser,
} from './authenticator.js';
import { UserIdentity } from './identity.js';
import { Rules } from './rules.js';

/** Takes the name in a client certificate for the user name. The listener has checked the certificate in the handshake. */
export class ClientCertificates implements Authenticator {
  readonly name = 'certificate';

  authenticate({ certificateNames }: Credentials): AuthenticationResult {
    const userName = certificateNames?.[0];
    if (userName === undefined) return unknownUser;
    return { outcome: 'accepted', identity: new UserIdentity(userName, Rules.none) };
  }
}
