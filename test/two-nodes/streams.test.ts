import { onTwoNodes } from '../two-nodes.js';

/** Streams, sends, heartbeats, stops, slow consumers. */
await onTwoNodes({ room: 'gateway', leftOut: { files: 17, tests: 13 } });
