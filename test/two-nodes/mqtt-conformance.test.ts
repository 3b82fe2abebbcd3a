import { onTwoNodes } from '../two-nodes.js';

await onTwoNodes({ room: 'conformance/mqtt-3.1.1', leftOut: { files: 10, tests: 0 } });
