import t from 'tap';
import { type WaitingPlace, WaitingPlaces } from '../../access/waiting-places.js';

const v6 = (net: string, host: number) => `2001:0db8:0000:${net}:0000:0000:0000:000${host}`;

t.test('places and bytes are bounded, for all and for each address', async (t) => {
  const places = new WaitingPlaces({ max: 10, bytesMax: 1_000, sharePerAddress: 0.5 });
  const taken: (WaitingPlace | undefined)[] = [];
  for (let n = 0; n < 8; n++) taken.push(places.take('10.0.0.1', 1));
  t.equal(taken.filter((place) => place !== undefined).length, 5);
  t.equal(places.take('10.0.0.2', 501), undefined, 'more bytes than one address may have');
  const big = places.take('10.0.0.2', 500)!;
  t.notOk(places.takeMore(big, 1));
  t.ok(places.take('10.0.0.3', 490));
  t.equal(places.take('10.0.0.4', 6), undefined, 'more bytes than there are');
  for (let n = 0; n < 3; n++) t.ok(places.take(`10.0.1.${n}`, 1));
  t.equal(places.take('10.0.1.9', 0), undefined, 'no place is left');
  t.match([places.count, places.bytes], [10, 998]);
  places.give(big);
  places.give(taken[0]!);
  t.match([places.count, places.bytes], [8, 497]);
  t.ok(places.take('10.0.0.1', 1), 'its place is free');
});

t.test('what has come later is given back with its place', async (t) => {
  const places = new WaitingPlaces({ max: 2, bytesMax: 100, sharePerAddress: 1 });
  const place = places.take('10.0.0.1', 40)!;
  t.ok(places.takeMore(place, 60));
  t.notOk(places.takeMore(place, 1));
  places.give(place);
  t.match([places.count, places.bytes], [0, 0]);
});

t.test('an IPv6 /64 is one address, and has one place at least', async (t) => {
  const places = new WaitingPlaces({ max: 4, bytesMax: 100, sharePerAddress: 0.01 });
  t.ok(places.take(v6('0001', 1), 1));
  t.equal(places.take(v6('0001', 2), 0), undefined);
  t.ok(places.take(v6('0002', 1), 1));
});
