import t from 'tap';
import { RetainedMerge } from '../../../router/engine/nats/retained-merge.js';
import { Message } from '../../../router/message.js';
import { Retained } from '../../../router/retained.js';

/** A node's copy of what is retained, brought to where the stream is while messages go on coming. */

const message = (id: string, text: string) => new Message(id, Buffer.from(text), 0, 0, true);

function textsOf(retained: Retained): string[] {
  const texts: string[] = [];
  for (const filter of ['#', '$SYS/#']) {
    const walk = retained.walk(filter);
    for (walk.seek(Infinity); !walk.done; walk.seek(Infinity)) {
      const { id, payload } = walk.take();
      texts.push(`${id}=${Buffer.from(payload)}`);
    }
  }
  return texts.sort();
}

function copyOf(...texts: string[]): Retained {
  const retained = new Retained();
  for (const text of texts) retained.keep(message(...(text.split('=') as [string, string])));
  return retained;
}

t.test('what came live is newer than what is replayed, and what is not replayed goes', async (t) => {
  const copy = copyOf('a=0', 'b=0', 'gone=0', '$SYS/x=0');
  const merge = new RetainedMerge(copy);
  merge.due();
  merge.live('b');
  copy.keep(message('b', '2'));
  merge.live('new');
  copy.keep(message('new', '2'));
  merge.begin();
  for (const id of ['a', 'b', 'c']) merge.replay(message(id, '1'));
  merge.end(true);
  t.same(textsOf(copy), ['$SYS/x=0', 'a=1', 'b=2', 'c=1', 'new=2']);
});

t.test('what was cleared live is not brought back', async (t) => {
  const copy = copyOf('a=0');
  const merge = new RetainedMerge(copy);
  merge.due();
  merge.begin();
  merge.live('a');
  copy.keep(message('a', ''));
  merge.replay(message('a', '0'));
  merge.end(true);
  t.same(textsOf(copy), []);
});

t.test('a replay that is begun again forgets what the first one brought, not what came live', async (t) => {
  const copy = copyOf();
  const merge = new RetainedMerge(copy);
  merge.due();
  merge.begin();
  merge.replay(message('a', '1'));
  merge.live('b');
  copy.keep(message('b', '2'));
  merge.begin();
  merge.replay(message('b', '1'));
  merge.end(true);
  t.same(textsOf(copy), ['b=2']);
});

t.test('NATS that goes away again makes what came live before old', async (t) => {
  const copy = copyOf();
  const merge = new RetainedMerge(copy);
  merge.due();
  merge.live('a');
  copy.keep(message('a', '1'));
  merge.due();
  merge.begin();
  merge.replay(message('a', '2'));
  merge.end(true);
  t.same(textsOf(copy), ['a=2']);
});

t.test('without a sweep nothing goes', async (t) => {
  const copy = copyOf('a=0');
  const merge = new RetainedMerge(copy);
  merge.due();
  merge.begin();
  merge.replay(message('b', '1'));
  merge.end(false);
  t.same(textsOf(copy), ['a=0', 'b=1']);
});

t.test('it remembers no more live ids than it may, and none when nothing is due', async (t) => {
  const copy = copyOf();
  const merge = new RetainedMerge(copy, 2);
  merge.live('z'); // nothing is due
  merge.due();
  for (const id of ['a', 'b', 'c']) {
    merge.live(id);
    copy.keep(message(id, '2'));
  }
  merge.begin();
  for (const id of ['a', 'b', 'c', 'z']) merge.replay(message(id, '1'));
  merge.end(true);
  t.same(textsOf(copy), ['a=2', 'b=2', 'c=1', 'z=1']);
});
