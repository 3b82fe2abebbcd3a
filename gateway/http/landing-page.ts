import { pagePolicy } from './content-policy.js';
import { scriptJson } from './html.js';
import { listenScript } from './listen-script.js';
import { pageHead } from './page-head.js';
import { pageStyle } from './page-style.js';

/** `GET /`: the page that explains itself. Plain HTML and a few lines of script, nothing from elsewhere. */

export interface LandingPageFacts {
  /** Port of the router API; its host is the page's own where the API listens on more than loopback. null = elsewhere. */
  readonly apiUrl: string | null;
  readonly apiOnAnyAddress: boolean;
  readonly tokenRequired: boolean;
  /** Whether there is /mqtt, and a page to try it. */
  readonly mqtt: boolean;
}

const style = `${pageStyle}
  #messages-of-id { list-style: none; margin: .5rem 0; padding: 0; }
  #messages-of-id li { border-bottom: 1px solid var(--line); padding: .25rem 0; overflow-wrap: anywhere; white-space: pre-wrap; }
  #messages-of-id small { color: var(--quiet); }
`;

export function landingPage(facts: LandingPageFacts): string {
  return `${pageHead('Encke', style)}
<body>
<h1>Encke</h1>
<p>Holds connections open, and pushes a message to whoever is logged in under an id.</p>

<h2>Open a page under an id</h2>
<form id="open">
  <label>id <input name="id" value="123" required></label>
  <button>Open /test/123</button>
</form>

${facts.apiUrl === null ? '' : sendForm(facts)}
${facts.mqtt ? '<p>An id is an MQTT topic, too: <a href="/demo/mqtt">try it over MQTT</a>, from this browser.</p>' : ''}

<h2>Listen here</h2>
<form id="listen">
  <label>id <input name="id" value="123" required></label>
  <button>Listen</button>
</form>
<output id="listening">With the JavaScript client: begins with what is still kept, and comes back by itself.</output>
<ol id="messages-of-id"></ol>

<h2>Now</h2>
<dl>
  <div><dt>connections</dt><dd id="connections">–</dd></div>
  <div><dt>messages delivered</dt><dd id="messages">–</dd></div>
  <div><dt>bytes a connection</dt><dd id="bytes">–</dd></div>
</dl>
<p><small>Bytes a connection: growth of this process since its start, shown from 1,000 connections on.</small></p>

<h2>From a terminal</h2>
<pre id="terminal"></pre>
<script type="application/json" id="facts">${scriptJson(facts)}</script>
<script>${script}</script>
<script type="module">${listenScript}</script>
</body>
</html>
`;
}

const script = `
const facts = JSON.parse(document.getElementById('facts').textContent);
const api = new URL(facts.apiUrl ?? location.origin);
if (facts.apiOnAnyAddress) api.hostname = location.hostname;
const byId = (id) => document.getElementById(id);
const openForm = byId('open'), sendForm = byId('send');
const pathOf = (id) => id.split('/').map(encodeURIComponent).join('/');
openForm.elements.id.oninput = () => {
  openForm.querySelector('button').textContent = 'Open /test/' + openForm.elements.id.value;
};
openForm.onsubmit = (event) => {
  event.preventDefault();
  window.open('/test/' + pathOf(openForm.elements.id.value), '_blank');
};
if (sendForm !== null) sendForm.onsubmit = async (event) => {
  event.preventDefault();
  const { id, text, token } = sendForm.elements;
  const headers = token ? { Authorization: 'Bearer ' + token.value } : {};
  let answer;
  try {
    // A browser resolves . and .. in a path, however they are written: such an id goes in the body.
    const dots = id.value.split('/').some((level) => level === '.' || level === '..');
    const path = dots ? '/send' : '/send/' + pathOf(id.value);
    const body = dots ? JSON.stringify({ id: id.value, data: text.value }) : text.value;
    const response = await fetch(new URL(path, api), { method: 'POST', body, headers });
    const said = await response.text();
    const isJson = response.headers.get('content-type') === 'application/json';
    answer = isJson ? outcome(JSON.parse(said)) : response.status + ': ' + said;
  } catch {
    answer = 'The router API at ' + api.origin + ' cannot be reached from this browser.';
  }
  byId('answer').textContent = answer;
};
function outcome({ delivered, errors = [], error }) {
  if (errors.length > 0) return errors[0].error;
  if (error !== undefined) return error;
  return 'Delivered to ' + delivered + (delivered === 1 ? ' connection.' : ' connections.');
}
byId('terminal').textContent =
  'curl -N ' + location.origin + '/stream/123\\n' +
  'curl ' + (facts.tokenRequired ? "-H 'Authorization: Bearer <token>' " : '') +
  "-d 'Hello World' " + (facts.apiUrl === null ? 'http://<router>:8001' : api.origin) + '/send/123';
async function refresh() {
  try {
    const numbers = await (await fetch('/numbers')).json();
    byId('connections').textContent = numbers.connections.toLocaleString('en');
    byId('messages').textContent = numbers.messages.toLocaleString('en');
    byId('bytes').textContent = numbers.bytesPerConnection?.toLocaleString('en') ?? '–';
  } catch {
    byId('connections').textContent = byId('messages').textContent = byId('bytes').textContent = '–';
  }
  setTimeout(refresh, 1000);
}
refresh();
`;

/** The script sends to the router API, which is on a port of its own. */
export function landingPolicy({ apiUrl, apiOnAnyAddress }: LandingPageFacts): string {
  return `${policy} ${apiUrl === null ? '' : apiSource(new URL(apiUrl), apiOnAnyAddress)}`.trimEnd();
}

/** A policy cannot name an IPv6 address, nor "the host of this page at another port". */
function apiSource({ origin, hostname, port }: URL, anyAddress: boolean): string {
  return anyAddress || hostname.startsWith('[') ? `http://*:${port}` : origin;
}

/** Ends with the directive that is added to. */
const policy = pagePolicy({
  style,
  scripts: [script, listenScript],
  scriptsFrom: ["'self'"],
  connectTo: ["'self'"],
});

function sendForm({ tokenRequired }: LandingPageFacts): string {
  return `<h2>Send to an id</h2>
<form id="send">
  <label>id <input name="id" value="123" required></label>
  <label>message <input name="text" value="Hello World"></label>
  ${tokenRequired ? '<label>token <input name="token" type="password" autocomplete="off" required></label>' : ''}
  <button>Send</button>
</form>
<output id="answer"></output>`;
}
