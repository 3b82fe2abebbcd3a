import type { OperatedNode } from '../gateway/operated-node.js';
import { readinessOf, readStats, scopeExpected, scopeIn } from '../gateway/probed-node.js';
import { type AdminAnswer, jsonAnswer, RequestError, textAnswer } from './answer.js';
import {
  acceptsOpenMetrics,
  exposition,
  openMetricsFormat,
  type Scraped,
  textFormat,
} from './metrics/exposition.js';
import type { AdminRoute } from './route.js';

/** The routes /health, /ready, /metrics and /stats. */
export function probeRoutes(node: OperatedNode): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/health',
      summary: 'The process lives',
      isProbe: true,
      answer: () => textAnswer(200, 'alive'),
    },
    {
      method: 'GET',
      path: '/ready',
      summary: 'Whether clients and publishers may come; 503 with the reason where not',
      isProbe: true,
      answer: () => readyAnswer(node),
    },
    {
      method: 'GET',
      path: '/metrics',
      summary: 'Metrics in the text format of Prometheus, or of OpenMetrics where that is accepted',
      answer: async ({ accept }) => {
        node.watch();
        const scraped = await scrape(node);
        const format = acceptsOpenMetrics(accept) ? openMetricsFormat : textFormat;
        return { status: 200, type: format.contentType, body: exposition(scraped, format) };
      },
    },
    {
      method: 'GET',
      path: '/stats',
      summary:
        'All metrics as JSON, of this node; with --workers those of all workers together (scope=node: of one)',
      answer: async ({ query }) => jsonAnswer(await statsOf(node, query)),
    },
  ];
}

function readyAnswer(node: OperatedNode): AdminAnswer {
  const { isReady, text } = readinessOf(node);
  return textAnswer(isReady ? 200 : 503, text);
}

/** One of several workers answers for all of them, as they share one port. Each value then has its worker as a label. */
async function scrape({ stats, clusterStats }: OperatedNode): Promise<Scraped[]> {
  if (clusterStats?.grouped !== true) return [{ labels: {}, numbers: stats.all() }];
  const { nodes } = await clusterStats.groupNow();
  return nodes.map(({ node, stats: numbers }) => ({ labels: { node }, numbers }));
}

function statsOf(node: OperatedNode, query: URLSearchParams): Promise<object> {
  const scope = scopeIn(query);
  if (scope === undefined) throw new RequestError(400, scopeExpected);
  return new Promise((resolve) => readStats(node, scope, resolve));
}
