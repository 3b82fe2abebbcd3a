/**
 * The script of the dashboard: it asks for the nodes every two seconds and draws the last hour that it has seen. It runs
 * in a browser, so it is text here. Whatever comes from clients becomes text of elements, never markup.
 */
export const dashboardScript = `
'use strict';
const everyMs = 2000;
const samplesMax = 1800;
const samples = [];
let token = sessionStorage.getItem('encke-admin-token') || '';
const at = (id) => document.getElementById(id);
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

function bytes(value) {
  const units = ['B', 'KB', 'MB', 'GB'];
  let unit = 0;
  for (; value >= 1024 && unit < 3; unit++) value /= 1024;
  return (unit === 0 ? value : value.toFixed(1)) + ' ' + units[unit];
}

function time(seconds) {
  if (seconds < 60) return seconds + ' s';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min';
  return seconds < 86400 ? Math.floor(seconds / 3600) + ' h' : Math.floor(seconds / 86400) + ' d';
}

async function call(path, method) {
  const headers = token === '' ? {} : { authorization: 'Bearer ' + token };
  const response = await fetch('api/v1/' + path, { method: method || 'GET', headers });
  if (response.status === 401) {
    at('login').hidden = false;
    throw new Error('a token is needed');
  }
  const text = await response.text();
  if (!response.ok) throw new Error(text.trim());
  at('login').hidden = true;
  return JSON.parse(text);
}

function sum(nodes, of) {
  return nodes.reduce((total, node) => total + of(node), 0);
}

function row(cells, tag) {
  const line = document.createElement('tr');
  for (const cell of cells) {
    const element = document.createElement(tag || 'td');
    if (cell instanceof Node) element.append(cell);
    else element.textContent = cell;
    line.append(element);
  }
  return line;
}

function table(id, heads, rows) {
  at(id).replaceChildren(row(heads, 'th'), ...rows.map((cells) => row(cells)));
}

function curve(id, lines, shown) {
  const most = Math.max(1e-9, ...lines.flatMap((line) => line.values));
  const svg = at(id).querySelector('svg');
  const first = samples.length < 2 ? 0 : samples[0].ms;
  const span = samples.length < 2 ? 1 : samples[samples.length - 1].ms - first;
  svg.querySelectorAll('polyline').forEach((polyline, i) => {
    const points = lines[i].values.map((value, n) => {
      const ms = samples[n + samples.length - lines[i].values.length].ms;
      return (((ms - first) / span) * 300).toFixed(1) + ',' + (98 - (value / most) * 94).toFixed(1);
    });
    polyline.setAttribute('points', points.join(' '));
  });
  const legend = at(id).querySelector('.legend');
  legend.replaceChildren();
  for (const [i, line] of lines.entries()) {
    const value = document.createElement('b');
    value.className = i === 0 ? 'one' : 'two';
    value.textContent = shown(line.values.length === 0 ? 0 : line.values[line.values.length - 1]);
    legend.append(line.name + ' ', value, '   ');
  }
  legend.append('most ' + shown(most < 1e-6 ? 0 : most));
}

function rates(of) {
  const found = [];
  for (let n = 1; n < samples.length; n++) {
    const seconds = (samples[n].ms - samples[n - 1].ms) / 1000;
    found.push(Math.max(0, (of(samples[n]) - of(samples[n - 1])) / seconds));
  }
  return found;
}

function draw(nodes, unanswered) {
  const connections = sum(nodes, (node) => node.connections);
  at('connections').textContent = number.format(connections);
  at('ids').textContent = number.format(sum(nodes, (node) => node.ids));
  at('sessions').textContent = number.format(sum(nodes, (node) => node.sessions));
  at('lost').textContent = number.format(sum(nodes, (node) => node.lost));
  at('slow').textContent = number.format(sum(nodes, (node) => node.slowConsumers));
  at('memory').textContent = bytes(sum(nodes, (node) => node.rssBytes));
  curve('of-connections', [{ name: 'open', values: samples.map((each) => each.connections) }], short.format);
  curve(
    'of-messages',
    [
      { name: 'published', values: rates((each) => each.published) },
      { name: 'written', values: rates((each) => each.written) },
    ],
    (value) => short.format(value) + '/s',
  );
  curve('of-loop', [{ name: 'p99', values: samples.map((each) => each.loopMs) }], (value) => value.toFixed(1) + ' ms');
  curve('of-memory', [{ name: 'resident', values: samples.map((each) => each.rssBytes) }], bytes);
  table(
    'nodes',
    ['Node', 'Ready', 'Up', 'Connections', 'Sessions', 'Ids', 'Lost', 'Slow', 'Memory', 'Loop p99', 'Version'],
    nodes.map((node) => [
      node.node,
      node.ready ? node.reason || 'yes' : node.reason,
      time(node.uptimeSec),
      number.format(node.connections) + ' of ' + short.format(node.capacity),
      number.format(node.sessions),
      number.format(node.ids),
      number.format(node.lost),
      number.format(node.slowConsumers),
      bytes(node.rssBytes),
      node.eventLoopP99Ms + ' ms',
      node.version,
    ]),
  );
  const transports = {};
  for (const node of nodes)
    for (const [name, count] of Object.entries(node.connectionsByTransport))
      transports[name] = (transports[name] || 0) + count;
  table('transports', ['Transport', 'Connections'], Object.entries(transports).map(([name, count]) => [name, number.format(count)]));
  at('state').textContent =
    nodes.length + (nodes.length === 1 ? ' node' : ' nodes') +
    (unanswered.length === 0 ? '' : ', no answer from ' + unanswered.join(', '));
  at('state').className = unanswered.length === 0 ? '' : 'bad';
}

function clientsTable(id, clients) {
  table(
    id,
    ['Client id or ids', 'Transport', 'Address', 'User', 'Pending', 'Node', ''],
    clients.map((client) => {
      const kick = document.createElement('button');
      kick.textContent = 'End';
      kick.setAttribute('aria-label', 'End the connection of ' + (client.clientId || client.ids[0] || client.address));
      kick.addEventListener('click', async () => {
        if (!confirm('End this connection? Its client may come back at once.')) return;
        await call('clients/' + encodeURIComponent(client.connection), 'DELETE').catch((error) => alert(error.message));
        search();
      });
      const more = client.idsCount > client.ids.length ? ' …' : '';
      return [
        (client.clientId ? client.clientId + ': ' : '') + client.ids.join(', ') + more,
        client.transport,
        client.address,
        client.user || '–',
        client.pendingBytes === 0 ? '–' : bytes(client.pendingBytes),
        client.node,
        kick,
      ];
    }),
  );
}

async function search(event) {
  if (event) event.preventDefault();
  const query = new URLSearchParams({ limit: '50' });
  if (at('text').value !== '') query.set(at('by').value, at('text').value);
  try {
    const { clients, next } = await call('clients?' + query);
    clientsTable('clients', clients);
    at('found').textContent = clients.length === 0 ? 'none' : clients.length + (next === null ? '' : ', and there are more');
  } catch (error) {
    at('found').textContent = error.message;
  }
}

async function look() {
  try {
    const { nodes, unanswered } = await call('nodes');
    samples.push({
      ms: performance.now(),
      connections: sum(nodes, (node) => node.connections),
      published: sum(nodes, (node) => node.published),
      written: sum(nodes, (node) => node.written),
      loopMs: Math.max(...nodes.map((node) => node.eventLoopP99Ms)),
      rssBytes: sum(nodes, (node) => node.rssBytes),
    });
    if (samples.length > samplesMax) samples.shift();
    draw(nodes, unanswered);
    const { clients } = await call('slow?limit=10');
    at('slowest').hidden = clients.length === 0;
    clientsTable('slow-clients', clients);
  } catch (error) {
    at('state').textContent = error.message;
    at('state').className = 'bad';
  }
  setTimeout(look, everyMs);
}

at('search').addEventListener('submit', search);
at('login').addEventListener('submit', (event) => {
  event.preventDefault();
  token = at('token').value;
  sessionStorage.setItem('encke-admin-token', token);
  search();
});
look();
search();
`;
