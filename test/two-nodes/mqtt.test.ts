import { onTwoNodes } from '../two-nodes.js';

/** Delivery, sessions, wills, presence, stops. */
await onTwoNodes({
  room: 'gateway/mqtt',
  only: (file) => !/limits|slow|replays/.test(file),
  leftOut: { files: 25, tests: 0 },
});
