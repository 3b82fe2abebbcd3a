/**
 * What the landing page runs to show the messages of an id as they come, with the client that it gets from
 * `/client.js`. What others have sent is put in as text, and so never becomes markup.
 */
export const listenScript = `
import { connect } from '/client.js';

const shownMax = 50;
const byId = (id) => document.getElementById(id);
const form = byId('listen');
const button = form.querySelector('button');
let connection;

form.onsubmit = (event) => {
  event.preventDefault();
  if (connection === undefined) listen(form.elements.id.value);
  else stop('Stopped.');
};

function listen(id) {
  byId('messages-of-id').replaceChildren();
  button.textContent = 'Stop';
  form.elements.id.disabled = true;
  connection = connect('/', id, {
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
