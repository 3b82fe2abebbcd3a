import { onTwoNodes } from '../two-nodes.js';

await onTwoNodes({ room: 'gateway/mqtt', leftOut: { files: 3, tests: 9 } });
