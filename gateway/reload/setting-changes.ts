import { type Config, type SettingKey, secretKeys } from '../settings.js';

/** Checks new values, and makes ready what they need. @returns a function that takes them, and cannot fail @throws ConfigError */
type Preparation = (next: Config, changed: readonly SettingKey[]) => (() => void) | Promise<() => void>;

interface Part {
  readonly keys: readonly SettingKey[];
  readonly prepare: Preparation;
  readonly isLive: (key: SettingKey, next: Config) => boolean;
}

/** These settings are read from the configuration each time that they are needed, so nothing has to be told of a change. */
const readWhenNeeded: readonly SettingKey[] = [
  'idsPerConnectionMax',
  'batchBytesMax',
  'allowControlCharacters',
  'loginsBytesTotalMax',
  'pendingBytesMax',
  'pendingBytesTotalMax',
  'slowConsumerPolicy',
  'pollTimeoutSec',
  'pollTimeoutSecMax',
  'drainSec',
  'authJwtCookie',
  'authJwtQuery',
  'mqttMaxClientIdLength',
  'mqttAclDenyAction',
  'mqttConnectionsMax',
  'mqttRequireSubprotocol',
  'mqttMaxSubscriptions',
  'mqttSubscriptionsTotalMax',
  'mqttFilterVisitsMax',
  'mqttMaxPendingConnects',
  'mqttMaxPendingConnectsPerAddress',
  'mqttPendingConnectGraceMs',
  'mqttFlappingMaxCount',
  'mqttFlappingWindowTime',
  'mqttFlappingBanTime',
  'mqttPresence',
];

/** The settings that name the file of another setting, which has its content. */
const ofSecretFiles = new Map<SettingKey, SettingKey>(secretKeys.map((key) => [`${key}File`, key]));

/** The settings that change while the process runs, and the parts that are told of it. */
export class SettingChanges {
  readonly #config: Config;
  readonly #parts: Part[] = [];

  constructor(config: Config) {
    this.#config = config;
  }

  /** @param isLive returns false where a change of a setting needs a restart */
  on(keys: readonly SettingKey[], prepare: Preparation, isLive: Part['isLive'] = () => true): void {
    this.#parts.push({ keys, prepare, isLive });
  }

  /** The settings whose changes are taken without a restart, some of them only under conditions. */
  get liveKeys(): ReadonlySet<SettingKey> {
    return new Set<SettingKey>([
      ...readWhenNeeded,
      ...ofSecretFiles.keys(),
      ...this.#parts.flatMap(({ keys }) => keys),
    ]);
  }

  /** @returns whether the new value of a setting is taken without a restart */
  isLive(key: SettingKey, next: Config): boolean {
    const secret = ofSecretFiles.get(key);
    if (secret !== undefined) return this.isLive(secret, next);
    const parts = this.#parts.filter(({ keys }) => keys.includes(key));
    if (parts.length === 0) return readWhenNeeded.includes(key);
    return parts.every((part) => part.isLive(key, next));
  }

  /**
   * Makes all parts ready for these changes. Nothing has changed until the returned function is called, which takes all of
   * them in one turn of the event loop.
   * @throws ConfigError
   */
  async prepare(changed: readonly SettingKey[], next: Config): Promise<() => void> {
    const take: (() => void)[] = [];
    // The parts that came first are asked last: new authenticators have connections, which a refusal would leave open.
    for (const { keys, prepare } of this.#parts.toReversed())
      if (keys.some((key) => changed.includes(key))) take.push(await prepare(next, changed));
    return () => {
      Object.assign(this.#config, Object.fromEntries(changed.map((key) => [key, next[key]])));
      for (const each of take) each();
    };
  }
}
