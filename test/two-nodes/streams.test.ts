import { onTwoNodes } from '../two-nodes.js';

/** Streams, sends, heartbeats, stops, slow consumers. */
await onTwoNodes({ room: 'gateway', leftOut: { files: 19, tests: 20 } });
