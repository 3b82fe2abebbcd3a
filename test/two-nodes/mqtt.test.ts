import { onTwoNodes } from '../two-nodes.js';

await onTwoNodes({ room: 'gateway/mqtt', leftOut: { files: 12, tests: 4 } });
