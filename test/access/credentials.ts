import type { AuthenticationResult, Credentials } from '../../access/authenticator.js';
import type { Identity } from '../../access/identity.js';

/** Credentials of a test, whose password may be text. */
export type GivenCredentials = Omit<Partial<Credentials>, 'password'> & {
  readonly password?: string | Buffer | undefined;
};

/** The test's credentials as those of an MQTT client at `::1`. */
export function mqttCredentials({ password, ...given }: GivenCredentials): Credentials {
  return {
    transport: 'mqtt',
    address: '::1',
    ...given,
    ...(password !== undefined && { password: Buffer.from(password) }),
  };
}

/** @throws where the credentials were not accepted */
export function identityIn(result: AuthenticationResult): Identity {
  if (result.outcome !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(result)}`);
  return result.identity;
}
