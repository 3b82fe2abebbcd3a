import { pagePolicy, policyHeader } from '../../gateway/http/content-policy.js';
import { pageHead } from '../../gateway/http/page-head.js';
import type { AdminAnswer } from '../answer.js';
import type { AdminRoute } from '../route.js';
import { dashboardScript } from './script.js';
import { dashboardStyle } from './style.js';

const numbers = [
  ['connections', 'Connections'],
  ['ids', 'Ids'],
  ['sessions', 'MQTT sessions'],
  ['lost', 'Messages lost'],
  ['slow', 'Slow consumers'],
  ['memory', 'Memory'],
] as const;

const curves = [
  ['of-connections', 'Connections', 1],
  ['of-messages', 'Messages a second', 2],
  ['of-loop', 'Delay of the event loop', 1],
  ['of-memory', 'Memory', 1],
] as const;

const filters = [
  ['clientId', 'client id'],
  ['id', 'id or filter'],
  ['user', 'user'],
  ['address', 'address'],
  ['transport', 'transport'],
] as const;

const page = `${pageHead('Encke: dashboard', dashboardStyle)}
<body>
<header><h1>Encke</h1><p id="state" role="status">…</p></header>
<form id="login" hidden><input id="token" type="password" aria-label="Token" placeholder="token of --admin-token" autocomplete="off"><button>Log in</button></form>
<main>
${numbers.map(([id, name]) => `<section class="number"><h2>${name}</h2><p id="${id}">–</p></section>`).join('\n')}
${curves.map(([id, name, lines]) => curveHtml(id, name, lines)).join('\n')}
<section class="wide"><h2>Nodes</h2><table id="nodes"></table></section>
<section class="wide" id="slowest" hidden><h2>Slowest consumers</h2><table id="slow-clients"></table></section>
<section class="wide"><h2>Connections by transport</h2><table id="transports"></table></section>
<section class="wide"><h2>Clients</h2>
<form id="search" role="search"><select id="by" aria-label="Search by">${filters.map(([value, name]) => `<option value="${value}">${name}</option>`).join('')}</select><input id="text" aria-label="Exactly this" placeholder="exactly this"><button>Search</button><output id="found" class="legend"></output></form>
<table id="clients"></table></section>
</main>
<script>${dashboardScript}</script>
</body>
</html>
`;

const policy = pagePolicy({ style: dashboardStyle, scripts: [dashboardScript], connectTo: ["'self'"] });

/** Everybody may load the page, as there is no data in it: its script asks for data with the token of its reader. */
export const dashboardRoute: AdminRoute = {
  method: 'GET',
  path: '/',
  summary: 'The dashboard, a page for browsers',
  isProbe: true,
  answer: (): AdminAnswer => ({
    status: 200,
    type: 'text/html; charset=utf-8',
    body: page,
    headers: { [policyHeader]: policy },
  }),
};

function curveHtml(id: string, name: string, lines: number): string {
  const polylines = ['one', 'two'].slice(0, lines).map((kind) => `<polyline class="${kind}"/>`);
  return `<section class="curve" id="${id}"><h2>${name}</h2><svg viewBox="0 0 300 100" preserveAspectRatio="none" role="img" aria-label="${name}, as long as this page is open"><line x1="0" y1="98" x2="300" y2="98"/>${polylines.join('')}</svg><p class="legend"></p></section>`;
}
