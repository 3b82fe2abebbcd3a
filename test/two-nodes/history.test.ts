import { onTwoNodes } from '../two-nodes.js';

await onTwoNodes({ room: 'gateway/history', leftOut: { files: 4, tests: 9 } });
