/**
 * Shows the messages of an id on the landing page, with the client of `/client.js`. Runs after the page's other script,
 * which knows the root. Messages are inserted as text, and so never become markup.
 */
export const listenScript = `
const clientUrl = new URL('client.js', root).href;
const loading = import(clientUrl).catch(() => undefined);
const shownMax = 50;
const byId = (id) => document.getElementById(id);
const form = byId('listen');
const button = form.querySelector('button');
let connection;

form.onsubmit = async (event) => {
  event.preventDefault();
  if (connection !== undefined) return stop('Stopped.');
  const client = await loading;
  if (client === undefined) return say('The client could not be loaded: open ' + clientUrl + ' to see why.');
  if (connection === undefined) listen(client.connect, form.elements.id.value);
};

function listen(connect, id) {
  byId('messages-of-id').replaceChildren();
  button.textContent = 'Stop';
  form.elements.id.disabled = true;
  connection = connect(root, id, {
    since: 'oldest',
    onMessage: ({ time, data }) =>
      show(new Date(time).toLocaleTimeString('en-GB'), typeof data === 'string' ? data : data.length + ' bytes'),
    onRecovered: () => show('', 'Back: nothing was missed.'),
    onLost: ({ lost }) => show('', lost ? lost + ' messages were lost.' : 'Some messages may be lost.'),
    onState: (state, detail) => say(stateText(state, id, detail)),
    onError: (error) => stop(error.message),
  });
}

function stop(why) {
  connection?.close();
  connection = undefined;
  button.textContent = 'Listen';
  form.elements.id.disabled = false;
  say(why);
}

function stateText(state, id, { transport, delayMs }) {
  const way = transport === 'sse' ? 'server-sent events' : 'long-poll';
  if (state === 'open') return 'Listening to ' + id + ', by ' + way + '.';
  if (state === 'waiting') return 'Cut off. Trying again in ' + Math.ceil(delayMs / 1000) + ' s ...';
  return 'Connecting, by ' + way + ' ...';
}

function show(time, text) {
  const item = document.createElement('li');
  const head = document.createElement('small');
  head.textContent = time;
  item.append(head, ' ' + text);
  const list = byId('messages-of-id');
  list.prepend(item);
  while (list.children.length > shownMax) list.lastChild.remove();
}

function say(text) {
  byId('listening').textContent = text;
}
`;
