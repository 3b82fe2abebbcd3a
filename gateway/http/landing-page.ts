import { pagePolicy } from './content-policy.js';
import { scriptJson } from './html.js';
import { listenScript } from './listen-script.js';
import { type ApiFacts, apiSources, pageAddressScript } from './page-address-script.js';
import { pageHead } from './page-head.js';
import { pageStyle } from './page-style.js';

/** `GET /`: a page that explains the gateway. Plain HTML and a few lines of script, without other resources. */

export interface LandingPageFacts extends ApiFacts {
  /** Whether /mqtt and its demo page exist. */
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

<h2>Send to an id</h2>
${facts.apiUrl === null ? '' : sendForm(facts)}
<p id="no-api" hidden>Messages are sent through the router API. It is at no address that this browser can reach: send from
  the machine that it runs on, or ask its operator for an address.</p>
${facts.mqtt ? '<p>An id is an MQTT topic, too: <a id="demo" href="demo/mqtt">try it over MQTT</a>, from this browser.</p>' : ''}

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

const script = `${pageAddressScript('')}
const byId = (id) => document.getElementById(id);
const openForm = byId('open'), sendForm = byId('send');
const demo = byId('demo');
if (demo !== null) demo.href = new URL(demo.getAttribute('href'), root).href;
openForm.elements.id.oninput = ({ target }) => {
  const fits = fitsPath(target.value);
  target.setCustomValidity(fits ? '' : 'A browser takes . and .. out of an address: choose another id.');
  openForm.querySelector('button').textContent = 'Open /test/' + target.value;
};
openForm.onsubmit = (event) => {
  event.preventDefault();
  window.open(new URL('test/' + pathOf(openForm.elements.id.value), root), '_blank');
};
if (sendForm !== null) sendForm.onsubmit = async (event) => {
  event.preventDefault();
  const { id, text, token } = sendForm.elements;
  const headers = token ? { Authorization: 'Bearer ' + token.value } : {};
  let answer;
  try {
    const fits = fitsPath(id.value);
    const path = fits ? '/send/' + pathOf(id.value) : '/send';
    const body = fits ? text.value : JSON.stringify({ id: id.value, data: text.value });
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
byId('terminal').textContent = curlToListen('123');
apiAnswers.then((reachable) => {
  byId(reachable ? 'sending' : 'no-api').hidden = false;
  if (reachable) byId('terminal').textContent += '\\n' + curlToSend('123');
});
async function refresh() {
  try {
    const numbers = await (await fetch(new URL('numbers', root))).json();
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

/** The script sends to the router API, on its own port. */
export function landingPolicy(facts: LandingPageFacts): string {
  return [policy, ...apiSources(facts)].join(' ');
}

/** Ends with a directive to which sources are appended. */
const policy = pagePolicy({
  style,
  scripts: [script, listenScript],
  scriptsFrom: ["'self'"],
  connectTo: ["'self'"],
});

function sendForm({ tokenRequired }: LandingPageFacts): string {
  return `<section id="sending" hidden>
<form id="send">
  <label>id <input name="id" value="123" required></label>
  <label>message <input name="text" value="Hello World"></label>
  ${tokenRequired ? '<label>token <input name="token" type="password" autocomplete="off" required></label>' : ''}
  <button>Send</button>
</form>
<output id="answer"></output>
</section>`;
}
