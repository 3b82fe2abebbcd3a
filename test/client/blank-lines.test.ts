import t from 'tap';
import { publish } from '../gateway/history/ask-poll.js';
import { littleHistory, raiseFloors } from '../gateway/history/raised-floors.js';
import { openStream, Wire } from '../gateway/raw-wire.js';
import { startGateway } from '../gateway-process.js';
import { until } from '../until.js';

/**
 * Some HTTP clients call `onmessage` at each empty line of an event stream, whatever stands before it, as
 * fetch-event-source 2.0 does: an id, a `retry`, or nothing at all is an empty message to them. None is given one.
 */

t.setTimeout(240_000);

interface CalledWith {
  event: string;
  id: string;
  data: string;
}

/** The calls of `onmessage` of such a client. */
function calls(text: string): CalledWith[] {
  const called: CalledWith[] = [];
  let message = { event: '', id: '', data: '' };
  const lines = text.split(/\r\n|\r|\n/);
  lines.pop(); // not ended yet
  for (const line of lines) {
    if (line === '') {
      called.push(message);
      message = { event: '', id: '', data: '' };
      continue;
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line)!;
    if (field === 'data') message.data = message.data === '' ? value! : `${message.data}\n${value}`;
    else if (field === 'event' || field === 'id') message[field] = value!;
  }
  return called;
}

const isEmpty = ({ event, data }: CalledWith) => event === '' && data === '';

// Within the drain the slow reader has to take 5 MB: 6 s were too few beside seven other test files.
const gateway = await startGateway({
  flags: [
    ...['--heartbeat-sec', '1', '--drain-sec', '10', ...littleHistory],
    ...['--history-rules', 'private/# 0 0;# 100 60', '--batch-bytes-max', `${2 ** 24}`],
    ...['--slow-consumer-policy', 'drop-oldest', '--pending-bytes-max', '1000000'],
  ],
});
t.teardown(() => gateway.kill());

/** Its first bytes stay, unlike those of `openStream`. */
async function open(path: string): Promise<Wire> {
  const wire = await Wire.open(gateway.port);
  wire.ask(path);
  await until(`${path} is open`, () => wire.text.includes('retry: '));
  return wire;
}

t.test('no stream has an empty message in it, from its greeting to the end of the server', async (t) => {
  await publish(gateway, 'kept', ['m1']);
  const quiet = Array.from({ length: 8 }, (_, n) => `id=q${n}`).join('&');
  const wires = {
    one: await open('/events/one'),
    several: await open(`/events?${quiet}`),
    resumed: await open('/events/kept?since=oldest'),
    unknown: await open('/events/one?cursor=aaaaaaaa:7'),
    'without history': await open('/events/private/one'),
    'without history, resumed': await open('/events/private/one?since=oldest'),
  };
  const slow = await openStream(gateway.port, '/events/slow');
  slow.stall();
  await publish(
    gateway,
    'slow',
    Array.from({ length: 250 }, (_, n) => `${n + 1} ${'x'.repeat(60_000)}`),
  );
  await raiseFloors(gateway);
  for (const id of ['one', 'q0', 'kept', 'private/one']) await gateway.send(id, 'last');
  await until('all have it', () => Object.values(wires).every(({ text }) => text.includes('last')));
  const { heartbeats } = (await gateway.stats()).messages;
  await until('and heartbeats', async () => (await gateway.stats()).messages.heartbeats >= heartbeats + 12);
  gateway.child.kill('SIGTERM');
  await until('it is stopping', () => gateway.log.includes('stopping'));
  slow.resume();
  await gateway.ended();
  for (const [name, wire] of Object.entries({ ...wires, slow })) {
    await wire.untilClosed();
    t.ok(wire.complete, `${name}: is ended as HTTP wants it`);
    t.same(calls(wire.text).filter(isEmpty), [], `${name}: no empty message`);
  }
  const [first, ...others] = calls(wires.one.text);
  t.match(first, { event: 'cursor', id: /^\w+:0$/ }, 'the greeting says where the stream begins');
  t.same(JSON.parse(first!.data), { cursor: first!.id });
  t.same(
    others.filter(({ event }) => event !== 'cursor').map(({ data }) => data),
    ['last'],
  );
  t.ok(calls(wires.several.text).filter(({ event }) => event === 'cursor').length > 1, 'so do heartbeats');
  t.match(calls(wires['without history'].text), [{ event: '', id: '', data: 'last' }]);
  t.ok(
    calls(slow.text).some(({ event }) => event === 'lost'),
    'the slow one is told what it lost',
  );
});
