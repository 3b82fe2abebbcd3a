import { listenAddressesOf, listenErrorOf } from '../gateway/listen-address.js';
import type { OpenAdmin } from '../gateway/operated-node.js';
import { jsonAnswer } from './answer.js';
import { openApiOf } from './api/openapi.js';
import { apiRoutes } from './api/routes.js';
import { dashboardRoute } from './dashboard/page.js';
import { AdminGuard } from './guard.js';
import { AdminListener } from './listener.js';
import { NodeOperations } from './node/node-operations.js';
import { NodeQuestions } from './node/questions.js';
import { probeRoutes } from './probe-routes.js';
import { RequestHandler } from './request-handler.js';

/** A worker without the port tries so often whether the worker that had it has ended. */
const retryMs = 2_000;

/**
 * Opens the operator's listener of a node. With `--admin auto` a taken port is no reason not to start: several gateways
 * may run on one machine. Of the workers of one `--workers`, one has the port at a time, and answers for all.
 * @throws ListenError
 */
export const openAdmin: OpenAdmin = async (node, log, worker) => {
  const { config } = node.shared;
  const operations = new NodeOperations(node, log);
  const { cluster } = node.shared.router.engine;
  // It answers the operators of other nodes, also where this node has no listener.
  const questions = new NodeQuestions(cluster, operations.name, config.countWaitMs, operations.answer);
  const address = listenAddressesOf(config, node.role).admin;
  if (address === undefined) return { url: undefined, stop: async () => {} };
  const routes = [dashboardRoute, ...probeRoutes(node), ...apiRoutes({ node, operations, questions })];
  // Made before there are clients: it takes 20 ms and more, in one turn of the loop.
  const document = jsonAnswer(openApiOf(routes));
  const described = {
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    answer: () => document,
  } as const;
  const handler = new RequestHandler(new AdminGuard(node.shared), [...routes, described], log);
  const listener = new AdminListener(address, config.adminSocketsMax, node.adminSockets, handler);
  const code = await listener.open();
  if (code === undefined) return { url: listener.url, stop: () => listener.stop() };
  if (worker !== undefined) return whenFree(listener);
  const error = await listenErrorOf(address);
  if (config.admin === 'true') throw error;
  log.info(
    { adminHost: config.adminHost, adminPort: config.adminPort, code },
    "no operator's listener, as its port is taken, by another gateway perhaps: give this one a port of its own with --admin-port, or switch it off with --admin false",
  );
  return { url: undefined, stop: async () => {} };
};

function whenFree(listener: AdminListener): Awaited<ReturnType<OpenAdmin>> {
  let isStopped = false;
  let trying: Promise<boolean> | undefined;
  const timer = setInterval(async () => {
    if (trying !== undefined) return;
    const opened = listener.open().then((code) => code === undefined);
    trying = opened;
    if (!(await opened) && !isStopped) trying = undefined;
    else clearInterval(timer);
  }, retryMs).unref();
  const stop = async () => {
    isStopped = true;
    clearInterval(timer);
    if (await trying) await listener.stop();
  };
  return { url: undefined, stop };
}
