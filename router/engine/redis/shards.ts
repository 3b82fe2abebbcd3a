export { shardOf } from '../../../redis-access/shards.js';
