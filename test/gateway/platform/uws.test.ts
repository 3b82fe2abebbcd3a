import t from 'tap';
import { buildOf, type Platform, uWS, whyNot } from '../../../gateway/uws.js';

/** Which build of uWebSockets.js is taken, and what is said where none can be. */

const debian12: Platform = { node: '20.20.2', system: 'linux', processor: 'x64', glibc: '2.36' };

t.test('the Node that runs this has one', async (t) => {
  t.type(uWS.App, 'function');
  t.type(uWS.App().ws, 'function');
});

t.test('each Node that package.json names has a build, and no other has', async (t) => {
  for (const node of ['20.18.1', '22.0.0']) t.equal(buildOf(node)?.name, 'uWebSockets.js');
  for (const node of ['24.1.0', '26.0.0']) t.equal(buildOf(node)?.name, 'uWebSockets.js-20.69');
  for (const node of ['18.20.0', '21.0.0', '23.0.0', '25.1.0', '27.0.0'])
    t.equal(
      whyNot({ ...debian12, node }),
      `uWebSockets.js has no binary for Node ${node}: use Node 20, 22, 24 or 26.`,
    );
});

t.test('where none fits, a sentence says what does', async (t) => {
  t.equal(
    whyNot({ ...debian12, node: '24.3.0' }),
    'uWebSockets.js for Node 24 needs glibc 2.38 or later, and this system has 2.36: use Node 20 or 22 here, or a newer system (Debian 13, Ubuntu 24.04).',
  );
  t.match(
    whyNot({ ...debian12, glibc: '2.17' }),
    'needs glibc 2.27 or later, and this system has 2.17: use a newer system.',
  );
  t.match(
    whyNot({ ...debian12, glibc: undefined }),
    'is built for glibc, which this system (Alpine?) does not have',
  );
  const missing = new Error("This version …\n\nError: Cannot find module '@uwsjs/linux-x64-26'");
  t.match(
    whyNot({ ...debian12, node: '26.1.0', glibc: '2.41' }, missing),
    /no binary here for Node 26 on linux x64: run "npm ci" with this Node.*\(Error: Cannot find module '@uwsjs\/linux-x64-26'\)\.$/,
  );
});
