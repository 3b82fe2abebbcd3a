import type { Config } from '../config.js';
import { pagePolicy } from './content-policy.js';
import { scriptJson } from './html.js';
import { demoChecks } from './mqtt-demo-checks.js';
import { demoScript } from './mqtt-demo-script.js';
import { type ApiFacts, apiSources, pageAddressScript } from './page-address-script.js';
import { pageHead } from './page-head.js';
import { pageStyle } from './page-style.js';

/** `GET /demo/mqtt`: MQTT from this browser, together with `/test/<id>`. Without resources of other servers. */

/** The path of MQTT, and the limits that the page checks itself. */
export type MqttDemoConfig = Pick<
  Config,
  | 'mqttPath'
  | 'mqttMaxPacketSize'
  | 'messageBytesMax'
  | 'idBytesMax'
  | 'topicLevelsMax'
  | 'allowControlCharacters'
>;

const style = `${pageStyle}
  fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
  fieldset:disabled { opacity: .6; }
  label.check { flex-direction: row; align-items: center; gap: .375rem; padding-bottom: .5rem; }
  label.check input { min-width: 0; width: auto; height: auto; }
  ul, ol { list-style: none; margin: .5rem 0; padding: 0; }
  #subscriptions { display: flex; flex-wrap: wrap; gap: .375rem; }
  #subscriptions button { overflow-wrap: anywhere; text-align: start; font-size: .875rem; }
  #log { font: .875rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
  #log li { border-bottom: 1px solid var(--line); padding: .375rem 0; overflow-wrap: anywhere; white-space: pre-wrap; }
  #log small { color: var(--quiet); }
`;

export function mqttDemoPage(
  { apiUrl, apiOnAnyAddress, tokenRequired }: ApiFacts,
  config: MqttDemoConfig,
): string {
  const facts = { apiUrl, apiOnAnyAddress, tokenRequired, limits: limitsOf(config) };
  return `${pageHead('MQTT - Encke', style)}
<body>
<h1>MQTT</h1>
<p>This page is an MQTT client: MQTT.js, over WebSocket, to <code id="url">${config.mqttPath}</code>. <a id="back" href="../">Back to Encke</a></p>

<h2>Connect</h2>
<form id="connect">
  <label>client id <input name="clientId" autocomplete="off"></label>
  <label id="token" hidden>token <input name="token" type="password" autocomplete="off"></label>
  <label class="check"><input name="clean" type="checkbox" checked> clean session</label>
  <button>Connect</button>
</form>
<output id="state">Not connected.</output>

<fieldset id="connected" disabled>
<h2>Subscribe</h2>
<form id="subscribe">
  <label>topic filter <input name="filter" value="123" required autocomplete="off"></label>
  <label>QoS <select name="qos"><option>0</option><option selected>1</option><option>2</option></select></label>
  <button>Subscribe</button>
</form>
<ul id="subscriptions"></ul>

<h2>Publish</h2>
<form id="publish">
  <label>topic <input name="topic" value="123" required autocomplete="off"></label>
  <label>message <input name="text" value="Hello World" autocomplete="off"></label>
  <label>QoS <select name="qos"><option>0</option><option selected>1</option><option>2</option></select></label>
  <label class="check"><input name="retain" type="checkbox"> retain</label>
  <button>Publish</button>
</form>
<output id="answer"></output>
</fieldset>

<h2>One id, two ways</h2>
<p>A topic and an id are the same thing: what is published to topic <code class="id">123</code> appears in
  <a id="comet" href="../test/123" target="_blank" rel="noopener">/test/123</a>, and what is sent to that id arrives here.</p>
<pre id="terminal" hidden></pre>
<form id="http"><button>Listen over HTTP, too</button></form>

<h2>What came</h2>
<ol id="log"></ol>
<script src="mqtt.js"></script>
<script type="application/json" id="facts">${scriptJson(facts)}</script>
<script>${script}</script>
</body>
</html>
`;
}

const script = pageAddressScript('demo/mqtt/') + demoChecks + demoScript;

/** MQTT.js has its timers in a worker from a blob, because browsers slow timers of background pages down. */
export function mqttDemoPolicy(facts: ApiFacts): string {
  return [policy, ...apiSources(facts)].join(' ');
}

/** Ends with a directive to which sources are appended. */
const policy = pagePolicy({
  style,
  scripts: [script],
  scriptsFrom: ["'self'"],
  connectTo: ["'self'"],
  workersFrom: ['blob:'],
});

function limitsOf(config: MqttDemoConfig) {
  return {
    packetBytesMax: config.mqttMaxPacketSize,
    messageBytesMax: config.messageBytesMax,
    topicBytesMax: config.idBytesMax,
    topicLevelsMax: config.topicLevelsMax,
    controlCharacters: config.allowControlCharacters,
  };
}
