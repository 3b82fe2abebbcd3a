import type { TemplatedApp } from 'uWebSockets.js';
import type { Router } from '../../router/router.js';
import type { Sessions } from '../../router/session/sessions.js';
import type { Admission } from '../admission.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import type { Connections } from '../connections.js';
import type { Counters } from '../counters.js';
import type { Outbound } from '../outbound.js';
import type { SampledLog } from '../sampled-log.js';
import { version } from '../version.js';
import { ChannelWire } from './channel-wire.js';
import { Channels } from './channels.js';
import { bindMqtt } from './endpoint.js';
import { Origins } from './origins.js';
import { Presence } from './presence.js';
import { RateLimits } from './rate-limits.js';
import { RetainedReplays } from './retained-replays.js';
import { Rewrite } from './rewrite.js';
import { SysTopics } from './sys-topics.js';
import { Wills } from './wills.js';

export interface MqttSurroundings {
  readonly router: Router;
  readonly sessions: Sessions;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: SampledLog;
  readonly counters: Counters;
  readonly connections: Connections;
  readonly admission: Admission;
  readonly outbound: Outbound;
}

/** The MQTT room, put together. */
export class Mqtt {
  readonly #surroundings: MqttSurroundings;
  readonly #channels: Channels;
  readonly #replays: RetainedReplays;
  readonly #sysTopics: SysTopics;
  readonly #startedMs = performance.now();
  readonly #bind: Mqtt['bind'];

  /** @throws ConfigError */
  constructor(surroundings: MqttSurroundings) {
    const { router, config, connections, counters, outbound } = surroundings;
    this.#surroundings = surroundings;
    this.#replays = new RetainedReplays(router, connections, outbound);
    const parts = {
      ...surroundings,
      wire: new ChannelWire(counters),
      wills: new Wills(router),
      presence: new Presence(router, config),
      rateLimits: new RateLimits(
        config.mqttRateLimitMessages,
        config.mqttRateLimitBytes,
        connections.capacity,
      ),
      replays: this.#replays,
      rewrite: new Rewrite(config.mqttRewrite),
    };
    this.#channels = new Channels(parts);
    const origins = new Origins(config.mqttAllowOrigin, config.host);
    this.#bind = (app, onGone) => bindMqtt(app, this.#channels, parts, origins, onGone);
    this.#sysTopics = new SysTopics(router, config, () => this.#numbers());
  }

  /** @param onGone called for each WebSocket that has closed */
  bind(app: TemplatedApp, onGone: () => void): void {
    this.#bind(app, onGone);
  }

  /** Called in each tick of the sweeper. */
  tick(): void {
    const { sessions } = this.#surroundings;
    const nowSec = Math.floor(performance.now() / 1000);
    if (nowSec !== sessions.nowSec) sessions.tick(nowSec);
    this.#sysTopics.tick();
  }

  /** For /stats. */
  stats() {
    const { counters, sessions } = this.#surroundings;
    return {
      connacks: counters.mqttConnacks,
      publishesReceived: counters.mqttPublishesReceived,
      publishesIgnored: counters.mqttPublishesIgnored,
      bytesReceived: counters.mqttBytesReceived,
      partialPackets: this.#channels.partialPackets,
      retainedReplays: this.#replays.count,
      sessions: sessions.stats(),
    };
  }

  #numbers(): Record<string, string | number> {
    const { connections, counters, router, sessions } = this.#surroundings;
    const routed = router.stats();
    const lost = Object.values(counters.messagesLost).reduce((sum, each) => sum + each, 0);
    return {
      version,
      uptime: Math.round((performance.now() - this.#startedMs) / 1000),
      'clients/count': sessions.stats().connected,
      'connections/count': connections.open,
      'sessions/count': sessions.stats().persistent,
      'subscriptions/count': routed.logins,
      'retained/count': routed.retained,
      'messages/received': routed.published,
      'messages/sent': counters.messagesWritten,
      'messages/dropped': lost,
      'bytes/received': counters.mqttBytesReceived,
      'bytes/sent': counters.messageBytesWritten,
    };
  }
}
