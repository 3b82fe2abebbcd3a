import t from 'tap';
import type { Connection } from '../../gateway/connection.js';
import { walkConnections } from '../../gateway/connection-walk.js';
import { Connections } from '../../gateway/connections.js';

/** A walk through all connections, however many there are. */

function connectionsOf(count: number): Connections {
  const connections = new Connections(count);
  for (let n = 0; n < count; n++) connections.put({ slot: connections.take() } as Connection);
  return connections;
}

t.test('it lets everybody else have their turns, and visits each connection once', async (t) => {
  const count = 5_000;
  const connections = connectionsOf(count);
  const visited = new Uint8Array(count);
  let turns = 0;
  let walking = true;
  const countTurn = () => {
    turns++;
    if (walking) setImmediate(countTurn);
  };
  setImmediate(countTurn);
  await walkConnections(connections, ({ slot }) => {
    visited[slot]!++;
    for (const startedMs = performance.now(); performance.now() - startedMs < 0.05; );
  });
  walking = false;
  t.ok(
    visited.every((visits) => visits === 1),
    'each once',
  );
  // 250 ms of work, in turns of 2 ms and what 16 connections take.
  t.ok(turns > 30, `${turns} turns of others meanwhile`);
});

t.test('a connection that has closed is not visited, and one that ends others does no harm', async (t) => {
  const connections = connectionsOf(100);
  const visited: number[] = [];
  await walkConnections(connections, ({ slot }) => {
    visited.push(slot);
    if (slot + 1 < 100) connections.release(slot + 1);
  });
  t.same(
    visited,
    Array.from({ length: 50 }, (_, n) => 2 * n),
  );
});
