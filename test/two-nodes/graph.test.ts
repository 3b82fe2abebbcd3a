import { onTwoNodes } from '../two-nodes.js';

/** The friends graph in Redis. */
await onTwoNodes({ room: 'gateway/graph', leftOut: { files: 0, tests: 3 } });
