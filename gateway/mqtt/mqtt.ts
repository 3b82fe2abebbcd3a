import type { Sessions } from '../../router/session/sessions.js';
import type { FrontDoor } from '../http/front-door.js';
import type { SharedParts } from '../shared-parts.js';
import { version } from '../version.js';
import { ChannelEnds } from './channel-ends.js';
import { ChannelWire } from './channel-wire.js';
import { Channels } from './channels.js';
import { ClientClaims } from './client-claims.js';
import { ClientIdOwners } from './client-id-owners.js';
import { ConnectAuthentication } from './connect-authentication.js';
import { ConnectedClients } from './connected-clients.js';
import { Deadlines } from './deadlines.js';
import { DeferredPublications } from './deferred-publications.js';
import { Drains } from './drains.js';
import { bindMqtt, type SocketEvents } from './endpoint.js';
import { FilterAdmission } from './filter-admission.js';
import { FilterRefusals } from './filter-refusals.js';
import { Flapping, flappingOptionsOf } from './flapping.js';
import { AcknowledgementHandler } from './handlers/acknowledgement.js';
import { AutoSubscriptions } from './handlers/auto-subscriptions.js';
import { Connacks } from './handlers/connacks.js';
import { ConnectHandler } from './handlers/connect.js';
import { ConnectAdmission } from './handlers/connect-admission.js';
import { PublishHandler } from './handlers/publish.js';
import { SubscribeHandler } from './handlers/subscribe.js';
import { UnsubscribeHandler } from './handlers/unsubscribe.js';
import { Inbound } from './inbound.js';
import { PacketDispatch } from './packet-dispatch.js';
import { PendingConnects } from './pending-connects.js';
import { PendingQos2 } from './pending-qos2.js';
import { Permissions } from './permissions.js';
import { Presence } from './presence.js';
import { PublishAdmission } from './publish-admission.js';
import { RateLimits } from './rate-limits.js';
import { Replies } from './replies.js';
import { RetainedReplays } from './retained-replays.js';
import { Rewrite } from './rewrite.js';
import { SubscriptionReview } from './subscription-review.js';
import { SysTopics } from './sys-topics.js';
import { Upgrade } from './upgrade.js';
import { UpgradeTokens } from './upgrade-tokens.js';
import { Wills } from './wills.js';

/** The parts of the gateway that MQTT uses. */
export interface MqttSurroundings extends SharedParts {
  readonly sessions: Sessions;
}

/** The MQTT room, put together. */
export class Mqtt {
  readonly #surroundings: MqttSurroundings;
  readonly #events: SocketEvents;
  readonly #sysTopics: SysTopics;
  readonly #replies = new Replies();
  readonly #pendingQos2 = new PendingQos2(this.#replies);
  readonly #pendingConnects: PendingConnects;
  readonly #owners: ClientIdOwners;
  readonly #claims: ClientClaims;
  readonly #replays: RetainedReplays;
  readonly #refusals: FilterRefusals;
  readonly #flapping: Flapping;
  readonly #wills: Wills;
  readonly #deadlines: Deadlines;
  readonly #startedMs = performance.now();

  /** @throws ConfigError */
  constructor(surroundings: MqttSurroundings) {
    const { router, config, clock, log, connections, loginShares, sessions, access } = surroundings;
    this.#surroundings = surroundings;
    this.#pendingConnects = new PendingConnects(config, log, connections, clock);
    this.#deadlines = new Deadlines(connections, clock, this.#pendingConnects);
    this.#owners = new ClientIdOwners(sessions, access.identities);
    const [pendingQos2, owners] = [this.#pendingQos2, this.#owners];
    this.#claims = new ClientClaims({ router, sessions, pendingQos2, owners, log });
    this.#replays = new RetainedReplays(router);
    this.#refusals = new FilterRefusals(connections, loginShares, config, log);
    this.#flapping = new Flapping(flappingOptionsOf(config), access.identities, log);
    const deferred = new DeferredPublications(router);
    this.#wills = new Wills(deferred, config.mqttWillsBytesTotalMax);
    this.#events = this.#putTogether(deferred);
    this.#sysTopics = new SysTopics(router, config, () => this.#numbers());
  }

  /** Makes the parts, each from those before it: first the handlers of packets, last the events of sockets. */
  #putTogether(deferred: DeferredPublications): SocketEvents {
    const { router, config, connections, counters, sessions } = this.#surroundings;
    const { access, loginShares, log, outbound, turns, publishRates, changes } = this.#surroundings;
    const [replies, replays, wills] = [this.#replies, this.#replays, this.#wills];
    const [claims, pendingConnects] = [this.#claims, this.#pendingConnects];
    const rewrite = new Rewrite(config);
    const rateLimits = new RateLimits(
      config.mqttRateLimitMessages,
      config.mqttRateLimitBytes,
      connections.capacity,
    );
    const refusals = this.#refusals;
    const permissions = new Permissions(access);
    const { identities } = access;
    const publishing = new PublishAdmission({
      rewrite,
      rateLimits,
      publishRates,
      identities,
      permissions,
      counters,
      log,
      config,
    });
    const filters = new FilterAdmission({
      router,
      rewrite,
      replays,
      loginShares,
      permissions,
      refusals,
      config,
    });
    const autoSubscriptions = new AutoSubscriptions(filters, router, config);
    changes.on(['mqttRewrite'], (next) => rewrite.prepared(next));
    changes.on(['mqttAutoSubscribe'], (next) => autoSubscriptions.prepared(next));
    changes.on(
      ['mqttRateLimitMessages', 'mqttRateLimitBytes'],
      (next) => () => rateLimits.limitTo(next.mqttRateLimitMessages, next.mqttRateLimitBytes),
    );
    const presence = new Presence(deferred, config);
    const owners = this.#owners;
    const clients = new ConnectedClients({
      sessions,
      identities: access.identities,
      owners,
      wills,
      presence,
      replays,
      subscriptionReview: new SubscriptionReview(permissions, router),
      autoSubscriptions,
    });
    const deadlines = this.#deadlines;
    const tokens = new UpgradeTokens(access, config);
    const authentication = new ConnectAuthentication(access, tokens);
    const admission = new ConnectAdmission(publishing, wills, sessions, access, config);
    const connacks = new Connacks(replies, counters);
    const handlers = {
      connect: new ConnectHandler({
        authentication,
        admission,
        owners,
        flapping: this.#flapping,
        claims,
        clients,
        deadlines,
        connacks,
        connections,
        counters,
      }),
      publish: new PublishHandler(publishing, router, replies, this.#pendingQos2),
      acknowledgement: new AcknowledgementHandler(replies, replays),
      subscribe: new SubscribeHandler({ filters, router, replies, replays, turns }),
      unsubscribe: new UnsubscribeHandler(filters, router, replies),
    };
    const dispatch = new PacketDispatch({ handlers, replies, deadlines, wills, connections, counters });
    const inbound = new Inbound({
      dispatch,
      authentication,
      deadlines,
      replies,
      rateLimits,
      publishRates,
      turns,
      counters,
      config,
    });
    const drains = new Drains(inbound, outbound, replays);
    const ends = new ChannelEnds({
      ...this.#surroundings,
      inbound,
      replies,
      clients,
      claims,
      flapping: this.#flapping,
      pendingConnects,
    });
    const wire = new ChannelWire(counters);
    const parts = { wire, outbound, connections, replies, inbound, drains, ends, clients };
    const channels = new Channels(parts, this.#surroundings.admission, pendingConnects, deadlines, tokens);
    const upgrade = new Upgrade({ ...this.#surroundings, pendingConnects, tokens });
    return { upgrade, channels, inbound, drains, ends };
  }

  /**
   * @param paths at which clients connect
   * @param onGone called for each WebSocket that has closed; see Listener.webSocketGone
   */
  bind(door: FrontDoor, paths: readonly string[], onGone: (lingers: boolean) => void): void {
    for (const path of paths) bindMqtt(door, path, this.#surroundings.config, this.#events, onGone);
  }

  /** A turn of the loop is over in which something has waited. @returns bytes that clients have sent, and that still do */
  endTurn(): number {
    this.#events.inbound.endTurn();
    return this.#events.inbound.queues.bytes;
  }

  /** Called in each tick of the sweeper. */
  tick(): void {
    const { sessions } = this.#surroundings;
    const nowSec = Math.floor(performance.now() / 1000);
    if (nowSec !== sessions.nowSec) sessions.tick(nowSec);
    this.#events.inbound.tick();
    this.#sysTopics.tick();
  }

  get sessions(): Sessions {
    return this.#surroundings.sessions;
  }

  /** The keep-alive of a connection, as its client has asked for it; 0 = none. */
  keepAliveSecOf(slot: number): number {
    return this.#deadlines.keepAliveSecOf(slot);
  }

  /** For /stats. */
  stats() {
    const { counters, router, sessions } = this.#surroundings;
    const { inbound, ends } = this.#events;
    return {
      pendingConnects: this.#pendingConnects.count,
      connacks: counters.mqttConnacks,
      publishesReceived: counters.mqttPublishesReceived,
      publishesSent: counters.mqttWritten.map(({ messages }) => messages),
      publishesIgnored: counters.mqttPublishesIgnored,
      publishesDenied: counters.mqttPublishesDenied,
      bytesReceived: counters.mqttBytesReceived,
      partialPackets: inbound.partialPackets,
      receiveQueues: inbound.queues,
      filtersRefused: this.#refusals.counts,
      retainedReplays: this.#replays.count,
      waiting: {
        connects: this.#claims.count,
        replies: this.#replies.count,
        pendingQos2: this.#pendingQos2.count,
      },
      clients: router.engine.clients?.stats(),
      takeoverLoops: ends.takeoverLoops,
      heldOff: this.#flapping.heldOff,
      willsBytes: this.#wills.bytes,
      sessions: sessions.stats(),
    };
  }

  #numbers(): Record<string, string | number> {
    const { connections, counters, router, sessions } = this.#surroundings;
    const routed = router.stats();
    const { connected, persistent } = sessions.stats();
    return {
      version,
      uptime: Math.round((performance.now() - this.#startedMs) / 1000),
      'clients/count': connected,
      'connections/count': connections.open,
      'sessions/count': persistent,
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
