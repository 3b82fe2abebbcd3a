import { tickMs, ticksPerSec } from '../clock.js';
import type { FrontDoor } from '../http/front-door.js';
import { version } from '../version.js';
import { ChannelWire } from './channel-wire.js';
import { Channels } from './channels.js';
import { ClientClaims } from './client-claims.js';
import { DeferredPublications } from './deferred-publications.js';
import { bindMqtt } from './endpoint.js';
import { FilterAdmission } from './filter-admission.js';
import type { MqttParts, MqttSurroundings } from './mqtt-parts.js';
import { Origins } from './origins.js';
import { PendingConnects } from './pending-connects.js';
import { Presence } from './presence.js';
import { RateLimits } from './rate-limits.js';
import { RetainedReplays } from './retained-replays.js';
import { Rewrite } from './rewrite.js';
import { SysTopics } from './sys-topics.js';
import { Wills } from './wills.js';

/** The MQTT room, put together. */
export class Mqtt {
  readonly #parts: MqttParts;
  readonly #origins: Origins;
  readonly #channels: Channels;
  readonly #sysTopics: SysTopics;
  readonly #startedMs = performance.now();

  /** @throws ConfigError */
  constructor(surroundings: MqttSurroundings) {
    const { router, config, clock, connections, counters, outbound } = surroundings;
    const deferred = new DeferredPublications(router);
    // At least: a tick that has begun before it does not count.
    const ageMs = (slot: number) =>
      (clock.tick - connections.due[slot]! + config.mqttIdleTimeout * ticksPerSec - 1) * tickMs;
    const replays = new RetainedReplays(router, connections, outbound);
    this.#parts = {
      ...surroundings,
      pendingConnects: new PendingConnects(config, surroundings.log, ageMs),
      wire: new ChannelWire(counters),
      deferred,
      claims: new ClientClaims(surroundings),
      wills: new Wills(deferred, config.mqttWillsBytesTotalMax),
      presence: new Presence(deferred, config),
      rateLimits: new RateLimits(
        config.mqttRateLimitMessages,
        config.mqttRateLimitBytes,
        connections.capacity,
      ),
      replays,
      filters: new FilterAdmission({ ...surroundings, replays }),
      rewrite: new Rewrite(config),
    };
    this.#channels = new Channels(this.#parts);
    this.#origins = new Origins(config);
    this.#sysTopics = new SysTopics(router, config, () => this.#numbers());
  }

  /**
   * @param paths where
   * @param onGone called for each WebSocket that has closed; see Listener.webSocketGone
   */
  bind(door: FrontDoor, paths: readonly string[], onGone: (lingers: boolean) => void): void {
    for (const path of paths) bindMqtt(door, path, this.#channels, this.#parts, this.#origins, onGone);
  }

  /** A turn of the loop is over in which something has waited. @returns of what clients have sent, what still does */
  endTurn(): number {
    this.#channels.endTurn();
    return this.#channels.received.receiveQueues.bytes;
  }

  /** Called in each tick of the sweeper. */
  tick(): void {
    const { sessions } = this.#parts;
    const nowSec = Math.floor(performance.now() / 1000);
    if (nowSec !== sessions.nowSec) sessions.tick(nowSec);
    this.#channels.tick();
    this.#sysTopics.tick();
  }

  /** For /stats. */
  stats() {
    const { counters, filters, pendingConnects, router, sessions, replays, wills } = this.#parts;
    return {
      pendingConnects: pendingConnects.count,
      connacks: counters.mqttConnacks,
      publishesReceived: counters.mqttPublishesReceived,
      publishesIgnored: counters.mqttPublishesIgnored,
      bytesReceived: counters.mqttBytesReceived,
      ...this.#channels.received,
      filtersRefused: filters.refused,
      retainedReplays: replays.count,
      waiting: this.#channels.waiting,
      clients: router.clients?.stats(),
      takeoverLoops: this.#channels.takeoverLoops,
      willsBytes: wills.bytes,
      sessions: sessions.stats(),
    };
  }

  #numbers(): Record<string, string | number> {
    const { connections, counters, router, sessions } = this.#parts;
    const routed = router.stats();
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
      'messages/dropped': counters.messagesLostTotal + sessions.droppedTotal,
      'bytes/received': counters.mqttBytesReceived,
      'bytes/sent': counters.messageBytesWritten,
    };
  }
}
