/**
 * What the MQTT demo page runs, after MQTT.js. Whatever comes from others is put in as text, and so never becomes
 * markup. It is a string because it runs in the browser and needs no build of its own.
 */
export const demoScript = String.raw`
const logLinesMax = 200;
const reconnectMs = 3000;
const byId = (id) => document.getElementById(id);
const facts = JSON.parse(byId('facts').textContent);
const forms = { connect: byId('connect'), subscribe: byId('subscribe'), publish: byId('publish'), http: byId('http') };
const url = new URL(byId('url').textContent, location.href);
url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
byId('url').textContent = url.href;
const subscriptions = new Map();
let client;

forms.connect.elements.clientId.value = 'demo-' + Math.random().toString(16).slice(2, 8);
forms.connect.onsubmit = (event) => {
  event.preventDefault();
  if (client !== undefined) disconnect();
  else if (typeof mqtt === 'undefined') say('MQTT.js could not be loaded: open /demo/mqtt.js to see why.');
  else connect();
};

function connect() {
  const { clientId, clean, token } = forms.connect.elements;
  const options = { clientId: clientId.value, clean: clean.checked, reconnectPeriod: reconnectMs, protocolVersion: 4 };
  if (token.value !== '') Object.assign(options, { username: 'demo', password: token.value });
  subscriptions.clear();
  showSubscriptions();
  const opened = mqtt.connect(url.href, options);
  client = opened;
  say('Connecting ...');
  label('Disconnect');
  opened.on('connect', ({ sessionPresent }) => {
    const kept = sessionPresent ? ' The server has kept the session: its subscriptions go on.' : '';
    say('Connected as ' + (options.clientId || 'a client without a name') + '.' + kept);
    byId('connected').disabled = false;
  });
  opened.on('message', (topic, payload, packet) => log(topic, textOf(payload), notesOf(packet)));
  opened.on('close', () => {
    if (client !== opened) return;
    byId('connected').disabled = true;
    say('Connection closed. Trying again in ' + reconnectMs / 1000 + ' s ...');
  });
  opened.on('error', (error) => refused(opened, error));
}

function disconnect(why = 'Disconnected.') {
  const ending = client;
  client = undefined;
  ending.end(true);
  byId('connected').disabled = true;
  label('Connect');
  say(why);
}

function refused(opened, { code, message }) {
  if (client !== opened || code === undefined) return;
  if (code === 4 || code === 5) byId('token').hidden = false;
  disconnect((code === 5 ? 'This server wants a token. ' : '') + message + ' (return code ' + code + ').');
}

forms.subscribe.onsubmit = async (event) => {
  event.preventDefault();
  const { filter, qos } = forms.subscribe.elements;
  try {
    const [granted] = await client.subscribeAsync(filter.value, { qos: Number(qos.value) });
    if (granted === undefined) return answer('You are subscribed to ' + filter.value + ' already.');
    subscriptions.set(granted.topic, granted.qos);
    answer('Subscribed to ' + granted.topic + ' at QoS ' + granted.qos + '.');
  } catch (error) {
    answer('Not subscribed to ' + filter.value + ': ' + error.message + '.');
  }
  showSubscriptions();
};

async function unsubscribe(filter) {
  await client.unsubscribeAsync(filter);
  subscriptions.delete(filter);
  showSubscriptions();
}

function showSubscriptions() {
  const items = [...subscriptions].map(([filter, qos]) => {
    const button = Object.assign(document.createElement('button'), { type: 'button' });
    button.textContent = filter + ' (QoS ' + qos + ') \u00d7';
    button.title = 'Unsubscribe';
    button.onclick = () => unsubscribe(filter);
    const item = document.createElement('li');
    item.append(button);
    return item;
  });
  byId('subscriptions').replaceChildren(...items);
}

forms.publish.onsubmit = async (event) => {
  event.preventDefault();
  const { topic, text, qos, retain } = forms.publish.elements;
  try {
    await client.publishAsync(topic.value, text.value, { qos: Number(qos.value), retain: retain.checked });
    answer(qos.value === '0' ? 'Sent.' : 'The server has it.');
  } catch (error) {
    answer('Not published: ' + error.message + '.');
  }
};
forms.publish.elements.topic.oninput = showMeeting;

function showMeeting() {
  const id = forms.publish.elements.topic.value || '123';
  const path = id.split('/').map(encodeURIComponent).join('/');
  const api = new URL(facts.apiUrl ?? location.origin);
  if (facts.apiOnAnyAddress) api.hostname = location.hostname;
  const token = facts.tokenRequired ? "-H 'Authorization: Bearer <token>' " : '';
  document.querySelector('.id').textContent = id;
  byId('comet').textContent = '/test/' + id;
  byId('comet').href = '/test/' + path;
  byId('terminal').textContent = 'curl ' + token + "-d 'Hello World' " + (facts.apiUrl === null ? 'http://<router>:8001' : api.origin) + '/send/' + path;
}
showMeeting();

let listening;
forms.http.onsubmit = async (event) => {
  event.preventDefault();
  const button = forms.http.querySelector('button');
  if (listening !== undefined) {
    listening.close();
    listening = undefined;
    button.textContent = 'Listen over HTTP, too';
    return;
  }
  const { connect } = await import('/client.js');
  const id = forms.publish.elements.topic.value;
  listening ??= connect('/', id, {
    onMessage: ({ data }) => log(id, typeof data === 'string' ? data : textOf(data), 'over HTTP'),
    onLost: () => log(id, 'Some messages may be lost.', 'over HTTP'),
    onError: (error) => log(id, error.message, 'over HTTP'),
  });
  button.textContent = 'No more over HTTP';
};

function notesOf({ qos, retain, dup }) {
  return ['QoS ' + qos, retain && 'retained', dup && 'again'].filter(Boolean).join(', ');
}

function log(topic, text, notes) {
  const item = document.createElement('li');
  const head = document.createElement('small');
  head.textContent = new Date().toLocaleTimeString('en-GB') + '  ' + notes;
  const body = document.createElement('div');
  body.textContent = topic + ': ' + text;
  item.append(head, body);
  byId('log').prepend(item);
  while (byId('log').children.length > logLinesMax) byId('log').lastChild.remove();
}

function textOf(payload) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    const hex = [...payload.slice(0, 64)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    return payload.length + ' bytes: ' + hex + (payload.length > 64 ? ' ...' : '');
  }
}

function say(text) {
  byId('state').textContent = text;
}

function answer(text) {
  byId('answer').textContent = text;
}

function label(text) {
  forms.connect.querySelector('button').textContent = text;
}
`;
