import { onTwoNodes } from '../two-nodes.js';

/** What grows up to a limit, and those that read slowly: what is retained for them, queued, lost. */
await onTwoNodes({
  room: 'gateway/mqtt',
  only: (file) => /limits|slow|replays/.test(file),
  leftOut: { files: 4, tests: 8 },
});
