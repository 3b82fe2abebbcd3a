import { onTwoNodes } from '../two-nodes.js';

/** Limits and slow readers: retained, queued and lost messages. */
await onTwoNodes({
  room: 'gateway/mqtt',
  only: (file) => /limits|slow|replays/.test(file),
  leftOut: { files: 4, tests: 8 },
});
