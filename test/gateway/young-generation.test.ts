import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { plainNode } from '../child-processes.js';
import { oneProcessFile } from '../one-process.js';

oneProcessFile('memory of one process');

/**
 * V8's young generation is small, grows while very many messages come, and is small again when they are over. In a process of
 * its own: what tap has loaded has made it grow already.
 */

const program = `
  import { setTimeout as sleep } from 'node:timers/promises';
  import v8 from 'node:v8';
  import { keepYoungGenerationSmall, YoungGeneration } from '${new URL('../../gateway/young-generation.js', import.meta.url)}';
  import { collectGarbage } from '${new URL('../../gateway/memory.js', import.meta.url)}';

  keepYoungGenerationSmall();
  const young = new YoungGeneration();
  const mb = () => v8.getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size / 1048576;
  const said = {};
  let messages = 0;
  let kept = [];
  async function send(perTick, ticks) {
    for (let tick = 0; tick < ticks; tick++) {
      young.tick((messages += perTick));
      // As a message does that waits for its acknowledgement: it outlives a collection or two.
      for (let n = 0; n < 100_000; n++) {
        kept[n % 20_000] = { n, text: 'message ' + n };
        if (n % 5_000 === 0) await new Promise(setImmediate);
      }
    }
  }
  await send(100, 10);
  said.fewMb = mb();
  await send(10_000, 20);
  said.manyMb = mb();
  kept = [];
  let collections = 0;
  for (let tick = 0; tick < 32; tick++) {
    await sleep(250);
    if (!young.tick(messages)) continue;
    collections++;
    collectGarbage();
  }
  said.afterMb = mb();
  said.collections = collections;
  console.log(JSON.stringify(said));
`;

t.test('the young generation grows with very many messages, and shrinks behind them', async (t) => {
  const [command, ...args] = plainNode;
  const { stdout } = await promisify(execFile)(command, [...args, '--input-type=module', '--eval', program]);
  const said = JSON.parse(stdout);
  t.comment(stdout.trim());
  t.ok(said.fewMb <= 4, 'small with few messages');
  t.ok(said.manyMb >= 8, 'large with many');
  t.ok(said.afterMb <= 4, 'small when they are over');
  t.equal(said.collections, 1, 'by one collection');
});
