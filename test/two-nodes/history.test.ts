import { onTwoNodes } from '../two-nodes.js';

await onTwoNodes({ room: 'gateway/history', leftOut: { files: 3, tests: 9 } });
