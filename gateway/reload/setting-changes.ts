import type { Config, SettingKey } from '../settings.js';

/** Checks new values, and makes ready what they need. @returns a function that takes them, and cannot fail @throws ConfigError */
type Preparation = (next: Config, changed: readonly SettingKey[]) => (() => void) | Promise<() => void>;

interface Part {
  readonly keys: readonly SettingKey[];
  readonly prepare: Preparation;
  readonly isLive: (key: SettingKey, next: Config) => boolean;
}

/** These settings are read from the configuration each time that they are needed, so nothing has to be told of a change. */
const readWhenNeeded = [
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
] as const satisfies readonly SettingKey[];

/** These name files whose content is another setting. */
const filesOf = {
  apiTokenFile: 'apiToken',
  adminTokenFile: 'adminToken',
  mqttTokenFile: 'mqttToken',
  authJwtSecretFile: 'authJwtSecret',
} as const satisfies Partial<Record<SettingKey, SettingKey>>;

/** The settings that change while the process runs, and the parts that are told of it. */
export class SettingChanges {
  readonly #config: Config;
  readonly #parts: Part[] = [];

  constructor(config: Config) {
    this.#config = config;
  }

  /** @param isLive false: this change of this setting needs a restart */
  on(keys: readonly SettingKey[], prepare: Preparation, isLive: Part['isLive'] = () => true): void {
    this.#parts.push({ keys, prepare, isLive });
  }

  /** The settings whose changes are taken without a restart, some of them only under conditions. */
  get liveKeys(): ReadonlySet<SettingKey> {
    return new Set<SettingKey>([
      ...readWhenNeeded,
      ...(Object.keys(filesOf) as SettingKey[]),
      ...this.#parts.flatMap(({ keys }) => keys),
    ]);
  }

  /** Whether the new value of a setting is taken without a restart. */
  isLive(key: SettingKey, next: Config): boolean {
    if (key in filesOf) return this.isLive(filesOf[key as keyof typeof filesOf], next);
    const parts = this.#parts.filter(({ keys }) => keys.includes(key));
    if (parts.length === 0) return (readWhenNeeded as readonly SettingKey[]).includes(key);
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
