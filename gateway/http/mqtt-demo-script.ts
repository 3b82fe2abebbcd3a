/**
 * Runs in the MQTT demo page, after MQTT.js, pageAddressScript and demoChecks. Messages are inserted as text, and so
 * never become markup. The script is a string because it runs in the browser and needs no build of its own.
 */
export const demoScript = String.raw`
const logLinesMax = 200;
const reconnectMs = 3000;
const byId = (id) => document.getElementById(id);
const forms = { connect: byId('connect'), subscribe: byId('subscribe'), publish: byId('publish'), http: byId('http') };
const url = new URL(byId('url').textContent.slice(1), root);
url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
byId('url').textContent = url.href;
byId('back').href = root.href;
const subscriptions = new Map();
/** Sent and not answered: MQTT.js sends it again over each new connection. */
let unanswered = 0;
let client;

forms.connect.elements.clientId.value = 'demo-' + Math.random().toString(16).slice(2, 8);
forms.connect.onsubmit = (event) => {
  event.preventDefault();
  if (client !== undefined) disconnect();
  else if (typeof mqtt === 'undefined') say('MQTT.js could not be loaded: open ' + new URL('demo/mqtt.js', root) + ' to see why.');
  else connect();
};

function connect() {
  const { clientId, clean, token } = forms.connect.elements;
  const options = { clientId: clientId.value, clean: clean.checked, reconnectPeriod: reconnectMs, protocolVersion: 4 };
  if (token.value !== '') Object.assign(options, { username: 'demo', password: token.value });
  let wasOpen = false;
  let closes = 0; // consecutive, with an unanswered message
  let last = {};
  options.createWebsocket = (_url, protocols) => {
    last = {};
    const socket = new WebSocket(url, protocols);
    socket.addEventListener('close', ({ code, reason }) => { last = { code, reason }; });
    return socket;
  };
  subscriptions.clear();
  showSubscriptions();
  unanswered = 0;
  const opened = mqtt.connect(url.href, options);
  client = opened;
  say('Connecting ...');
  answer('');
  label('Disconnect');
  opened.on('connect', ({ sessionPresent }) => {
    wasOpen = true;
    const kept = sessionPresent ? ' The server has kept the session: its subscriptions go on.' : '';
    say('Connected as ' + (options.clientId || 'a client without a name') + '.' + kept);
    byId('connected').disabled = false;
  });
  opened.on('message', (topic, payload, packet) => log(topic, textOf(payload), notesOf(packet)));
  opened.on('close', () => {
    if (client !== opened) return;
    byId('connected').disabled = true;
    const final = finalReason(last);
    if (final !== undefined) return disconnect('The server has closed the connection: ' + final);
    if (!wasOpen) return disconnect(notOpened(url));
    closes = unanswered === 0 ? 0 : closes + 1;
    if (closes === closesMax) return disconnect('The connection was closed ' + closes + ' times before the answer came.');
    const why = last.reason ? ' by the server (' + last.reason + ')' : '';
    say('Connection closed' + why + '. Trying again in ' + reconnectMs / 1000 + ' s ...');
  });
  opened.on('error', (error) => refused(opened, error));
}

async function asked(sent) {
  const asker = client;
  unanswered++;
  try {
    return await sent;
  } finally {
    if (client === asker) unanswered--;
  }
}

function disconnect(why = 'Disconnected.') {
  const ending = client;
  client = undefined;
  ending.end(true);
  byId('connected').disabled = true;
  label('Connect');
  say(why);
  if (unanswered > 0) answer('There was no answer. It is not sent again.'); // MQTT.js does not report it any more
}

function refused(opened, { code, message }) {
  if (client !== opened || code === undefined) return;
  if (code === 4 || code === 5) byId('token').hidden = false;
  disconnect((code === 5 ? 'This server wants a token. ' : '') + message + ' (return code ' + code + ').');
}

forms.subscribe.onsubmit = async (event) => {
  event.preventDefault();
  const { filter, qos } = forms.subscribe.elements;
  const problem = problemOfFilter(filter.value);
  if (problem !== undefined) return answer('Not subscribed: ' + problem);
  try {
    const [granted] = await asked(client.subscribeAsync(filter.value, { qos: Number(qos.value) }));
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
  const problem = problemOfPublish(topic.value, text.value, qos.value !== '0');
  if (problem !== undefined) return answer('Not published: ' + problem);
  answer('');
  try {
    await asked(client.publishAsync(topic.value, text.value, { qos: Number(qos.value), retain: retain.checked }));
    answer(qos.value === '0' ? 'Sent.' : 'The server has it.');
  } catch (error) {
    answer('Not published: ' + error.message + '.');
  }
};
forms.publish.elements.topic.oninput = showMeeting;

function showMeeting() {
  const id = forms.publish.elements.topic.value || '123';
  document.querySelector('.id').textContent = id;
  byId('comet').textContent = '/test/' + id;
  if (fitsPath(id)) byId('comet').href = new URL('test/' + pathOf(id), root).href;
  else byId('comet').removeAttribute('href');
  byId('terminal').textContent = api === undefined ? '' : curlToSend(id);
}
apiAnswers.then((reachable) => { byId('terminal').hidden = !reachable; });
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
  const { connect } = await import(new URL('client.js', root));
  const id = forms.publish.elements.topic.value;
  listening ??= connect(root, id, {
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
