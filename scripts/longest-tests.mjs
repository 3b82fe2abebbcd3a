/**
 * These start before all others, the longest first: each took more than 25 s in a full run on two cores, and what starts
 * late is waited for alone.
 */
const longest = [
  'tls/mqtt',
  'two-nodes/mqtt',
  'two-nodes/mqtt-conformance',
  'client/proxies-away',
  'two-nodes/history',
  'budgets/idle-connection',
  'client/page',
  'two-nodes/streams',
  'floodtest/mqtt-run',
  'gateway/mqtt/unread',
  'client/browser',
  'gateway/cluster/history-failures',
  'gateway/cluster/mqtt-lost-words',
  'gateway/cluster/away',
  'gateway/cluster/mqtt-publish-replies',
  'client/transports',
  'gateway/cluster/access',
  'integration/history-model-nodes',
  'gateway/cluster/failover',
  'cli/users',
  'gateway/cluster/mqtt-broken-moves',
  'gateway/cluster/unfit-server',
  'tls/streams',
  'integration/chaos',
  'gateway/cluster/mqtt-delivery',
  'floodtest/run',
  'client/stalls',
  'gateway/cluster/mqtt-retained',
  'gateway/cluster/failures-redis',
  'gateway/mqtt/slow-consumer',
  'gateway/cluster/send-command',
  'two-nodes/mqtt-limits',
  'gateway/access/real-clients',
  'gateway/mqtt/browser',
  'gateway/slow-readers',
  'charts/command',
  'gateway/addresses/proxy-protocol',
  'gateway/cluster/client-id-owners',
  'floodtest/history-gateway',
  'client/restarts',
  'gateway/bad-input',
  'floodtest/mqtt-gateway',
];

/** @param names of all test files, such as gateway/streams.test.js */
export function longestFirst(names) {
  const listed = longest.map((name) => `${name}.test.js`);
  const missing = listed.filter((name) => !names.includes(name));
  // The run goes on: only the order of the others is lost.
  if (missing.length > 0)
    console.error(`scripts/longest-tests.mjs names files that are not there: ${missing.join(', ')}`);
  const first = listed.filter((name) => names.includes(name));
  return [...first, ...names.filter((name) => !first.includes(name)).sort()];
}
