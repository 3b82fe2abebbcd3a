/**
 * Every normative statement of MQTT 3.1.1 (its Appendix B), in our words, and how it is proven here: the data of
 * the table in docs/mqtt-conformance.md.
 *
 * Print the table with
 * node -e "import('./dist/test/conformance/mqtt-3.1.1/statements.js').then((m) => console.log(m.statementsTable()))"
 */

export interface Statement {
  /** Without the brackets: MQTT-3.1.2-24. Two misprints of the appendix are set right: 3.1.2.7 and 3-8.3-4. */
  id: string;
  says: string;
  /** The test file without `.test.ts`; or why there is no test. */
  proof: { file: string } | { client: string } | { untested: string };
}

const testedIn = (file: string, statements: Record<string, string>): Statement[] =>
  Object.entries(statements).map(([number, says]) => ({ id: `MQTT-${number}`, says, proof: { file } }));

const ofTheClient = (number: string, says: string, why = 'a duty of the client'): Statement => ({
  id: `MQTT-${number}`,
  says,
  proof: { client: why },
});

const untested = (number: string, says: string, why: string): Statement => ({
  id: `MQTT-${number}`,
  says,
  proof: { untested: why },
});

const unordered: Statement[] = [
  ...testedIn('data-representation', {
    '1.5.3-1': 'A string that is not well-formed UTF-8 closes the connection; surrogates are not',
    '1.5.3-2': 'A NUL in a string closes the connection',
    '1.5.3-3': 'A byte order mark in a string is a character, and stays',
  }),
  ...testedIn('packet-format', {
    '2.2.2-1': 'Reserved flags of a fixed header have the value printed for them',
    '2.2.2-2': 'Other flags close the connection',
    '2.3.1-1': 'SUBSCRIBE, UNSUBSCRIBE and PUBLISH over QoS 0 have a packet identifier that is not 0',
    '2.3.1-4': 'What a server sends over QoS 0 has an unused identifier, the same when it is sent again',
    '2.3.1-5': 'A PUBLISH at QoS 0 has no packet identifier',
    '2.3.1-6': 'PUBACK, PUBREC and PUBREL have the identifier of the PUBLISH',
    '2.3.1-7': 'SUBACK and UNSUBACK have the identifier of what they answer',
  }),
  ofTheClient('2.3.1-2', 'A client gives each new packet an identifier that is not in use'),
  ofTheClient('2.3.1-3', 'A client that sends a packet again keeps its identifier'),
  ...testedIn('connect', {
    '3.1.0-1': 'The first packet of a client is CONNECT',
    '3.1.0-2': 'A second CONNECT closes the connection',
    '3.1.2-1': 'A wrong protocol name is not processed as MQTT 3.1.1: the connection is closed',
    '3.1.2-2': 'An unknown protocol level is answered with return code 1, then the connection is closed',
    '3.1.2-3': 'A set reserved bit of the connect flags closes the connection',
    '3.1.2-18': 'No user name flag, no user name',
    '3.1.2-19': 'User name flag, user name',
    '3.1.2-20': 'No password flag, no password',
    '3.1.2-21': 'Password flag, password',
    '3.1.2-22': 'No password flag without the user name flag',
    '3.1.3-1': 'The payload is client id, will topic, will message, user name, password, in this order',
    '3.1.3-3': 'The payload begins with a client id',
    '3.1.4-1': 'A CONNECT that is not laid out as it must be is closed without a CONNACK',
    '3.1.4-2': 'A client id that is connected already: the connection it has is closed',
    '3.1.4-3': 'Clean session is processed when the CONNECT is good',
    '3.1.4-4': 'A good CONNECT is answered by CONNACK with return code 0',
    '3.1.4-5': 'What a client sends after a CONNECT that is refused is not processed',
  }),
  ...testedIn('client-id', {
    '3.1.3-2': 'A session is found by its client id',
    '3.1.3-4': 'A client id is UTF-8',
    '3.1.3-5': 'Client ids of 1 to 23 digits and Latin letters are allowed',
    '3.1.3-6': 'An empty client id, where allowed, gets a unique one',
    '3.1.3-8': 'An empty client id without clean session is refused with return code 2',
    '3.1.3-9': 'Any client id that is refused is refused with return code 2, then the connection is closed',
    '3.1.3-10': 'A will topic is UTF-8',
    '3.1.3-11': 'A user name is UTF-8',
  }),
  ofTheClient('3.1.3-7', 'An empty client id comes with clean session', 'a duty of the client; see 3.1.3-8'),
  ...testedIn('clean-session', {
    '3.1.2-4': 'Clean session 0: the session is resumed or begun, and kept afterwards',
    '3.1.2-5': 'QoS 1 and 2 messages for a session that is offline are kept for it',
    '3.1.2-6': 'Clean session 1: the session before is discarded, this one ends with its connection',
    '3.1.2-7': 'Retained messages are no part of a session and outlive it',
    '4.1.0-1': 'The state of a session is kept as long as the session lasts',
  }),
  ...testedIn('will', {
    '3.1.2-8': 'The will is published when the connection ends without DISCONNECT',
    '3.1.2-9': 'Will flag: topic and message are there, QoS and retain flag are used',
    '3.1.2-10': 'A will that was published, or discarded by DISCONNECT, is gone from the session',
    '3.1.2-11': 'No will flag: no will QoS, retain flag, topic, message',
    '3.1.2-12': 'No will flag: nothing is published at the end',
    '3.1.2-13': 'No will flag: will QoS 0',
    '3.1.2-14': 'Will QoS is not 3',
    '3.1.2-15': 'No will flag: no will retain flag',
    '3.1.2-16': 'A will without the retain flag is not retained',
    '3.1.2-17': 'A will with the retain flag is retained',
    '3.14.4-3': 'DISCONNECT discards the will',
  }),
  ofTheClient('3.1.2-23', 'A client sends a packet within its keep-alive, if need be PINGREQ'),
  ...testedIn('keep-alive', {
    '3.1.2-24': 'A client that is silent for 1.5 times its keep-alive is disconnected',
    '3.12.4-1': 'PINGREQ is answered by PINGRESP',
    '4.1.0-2': 'A session lasts at least as long as its connection',
  }),
  ...testedIn('connack', {
    '3.2.0-1': 'The first packet of the server is CONNACK',
    '3.2.2-1': 'Clean session 1: session present 0',
    '3.2.2-2': 'Clean session 0 with a stored session: session present 1',
    '3.2.2-3': 'Clean session 0 without one: session present 0',
    '3.2.2-4': 'A refusal has session present 0',
    '3.2.2-5': 'A refusal is followed by the end of the connection',
    '3.2.2-6': 'Where no return code fits, the connection is closed without CONNACK',
  }),
  ...testedIn('publish', {
    '3.3.1-1': 'A PUBLISH that is sent again has DUP',
    '3.3.1-2': 'QoS 0 has no DUP',
    '3.3.1-3': 'DUP is not handed on from publisher to subscriber',
    '3.3.1-4': 'QoS 3 closes the connection',
    '3.3.2-1': 'A PUBLISH begins with its topic name, in UTF-8',
    '3.3.2-2': 'A topic name has no wildcards',
    '3.3.2-3': 'The topic name sent to a subscriber matches its filter',
    '3.3.4-1': 'A PUBLISH is answered by nothing, PUBACK or PUBREC, by its QoS',
    '3.3.5-1': 'Overlapping subscriptions deliver at their highest QoS',
    '3.3.5-2': 'A PUBLISH that is not allowed is acknowledged all the same, or ends the connection',
    '3.6.1-1': 'PUBREL has flags 2',
  }),
  ...testedIn('retained', {
    '3.3.1-5': 'A message with RETAIN is kept with its QoS for later subscribers',
    '3.3.1-6': 'A new subscription is sent the last retained message of each topic it matches',
    '3.3.1-7': 'A QoS 0 message with RETAIN takes the place of the one before',
    '3.3.1-8': 'What is sent because of a new subscription has RETAIN',
    '3.3.1-9': 'What is sent because of one that was there before has not',
    '3.3.1-10': 'An empty message with RETAIN is delivered, and clears what was retained',
    '3.3.1-11': 'An empty message is not retained',
    '3.3.1-12': 'A message without RETAIN is not kept and changes nothing that is',
  }),
  ...testedIn('subscribe', {
    '3.8.1-1': 'SUBSCRIBE has flags 2',
    '3.8.3-1': 'Filters are UTF-8',
    '3.8.3-3': 'SUBSCRIBE has at least one filter with its QoS',
    '3.8.3-4': 'A requested QoS over 2 or a reserved bit beside it closes the connection',
    '3.8.4-1': 'SUBSCRIBE is answered by SUBACK',
    '3.8.4-2': 'with the same identifier',
    '3.8.4-3':
      'The same filter again replaces the subscription, repeats retained messages, interrupts nothing',
    '3.8.4-4': 'Several filters are processed as one after the other, with one SUBACK',
    '3.8.4-5': 'SUBACK says for each filter the granted QoS, or that it failed',
    '3.8.4-6': 'A message is sent at the lower of its QoS and the granted one',
    '3.9.3-1': 'The return codes of SUBACK are in the order of the filters',
    '3.9.3-2': 'They are 0, 1, 2 or 0x80',
  }),
  untested(
    '3.8.3-2',
    'A server without wildcards refuses filters that have them',
    'wildcards are supported; see topics',
  ),
  ...testedIn('unsubscribe', {
    '3.10.1-1': 'UNSUBSCRIBE has flags 2',
    '3.10.3-1': 'Its filters are UTF-8, one right after the other',
    '3.10.3-2': 'UNSUBSCRIBE has at least one filter',
    '3.10.4-1': 'Filters are compared character by character',
    '3.10.4-2': 'A subscription that was deleted gets nothing new',
    '3.10.4-3': 'What was on its way at QoS 1 and 2 is delivered to the end',
    '3.10.4-4': 'UNSUBSCRIBE is answered by UNSUBACK with its identifier',
    '3.10.4-5': 'also when nothing was deleted',
    '3.10.4-6': 'Several filters are processed as one after the other, with one UNSUBACK',
  }),
  ...testedIn('disconnect', {
    '3.14.1-1': 'DISCONNECT with a reserved bit closes the connection',
    '3.14.4-1': 'After DISCONNECT the client closes the connection; if it does not, the server does',
    '3.14.4-2': 'After DISCONNECT a client sends nothing more; what it sends is not processed',
  }),
  ...testedIn('delivery', {
    '4.3.1-1': 'QoS 0 is sent with QoS 0 and without DUP',
    '4.3.2-1': 'QoS 1, sending: an unused identifier, no DUP, unacknowledged until PUBACK',
    '4.3.2-2': 'QoS 1, receiving: PUBACK with the identifier, which then is free for a new message',
    '4.3.3-1': 'QoS 2, sending: PUBLISH until PUBREC, then PUBREL until PUBCOMP',
    '4.3.3-2': 'QoS 2, receiving: PUBREC for every repetition, one delivery, PUBCOMP for PUBREL',
    '4.4.0-1': 'On return, PUBLISH and PUBREL without acknowledgement are sent again, identifiers kept',
    '4.5.0-1': 'A message becomes part of the session of everyone whose subscription matches',
  }),
  ofTheClient('4.5.0-2', 'A client acknowledges every PUBLISH, wanted or not'),
  ...testedIn('ordering', {
    '4.6.0-1': 'PUBLISHes are sent again in the order in which they were sent',
    '4.6.0-2': 'PUBACKs are sent in the order of the PUBLISHes (the server keeps to it too)',
    '4.6.0-3': 'PUBRECs are sent in the order of the PUBLISHes (the server keeps to it too)',
    '4.6.0-4': 'PUBRELs are sent in the order of the PUBRECs (the server keeps to it too)',
    '4.6.0-5': 'Unless told otherwise a topic is ordered',
    '4.6.0-6': 'Messages of one publisher, topic and QoS are delivered in their order',
  }),
  ...testedIn('topics', {
    '4.7.1-1': 'Wildcards are for filters, not for topic names',
    '4.7.1-2': '# is alone in its level, and that is the last',
    '4.7.1-3': '+ is alone in its level, which may be any',
    '4.7.2-1': 'A filter that begins with a wildcard does not match a topic that begins with $',
    '4.7.3-1': 'Topic names and filters have at least one character',
    '4.7.3-2': 'Topic names and filters have no NUL',
    '4.7.3-4': 'Topics are matched as they are, nothing is normalized',
  }),
  untested(
    '4.7.3-3',
    'Topic names and filters have at most 65,535 bytes',
    'two bytes of length cannot say more; `--id-bytes-max` sets a lower limit',
  ),
  ...testedIn('errors', {
    '4.8.0-1': 'A violation of the protocol closes the connection it came on',
  }),
  untested(
    '4.8.0-2',
    'A passing error while a packet is processed closes the connection',
    'a client cannot bring one about; limits that close a connection have tests of their own',
  ),
  ...testedIn('websocket', {
    '6.0.0-1': 'Packets are sent in binary frames; any other data frame closes the connection',
    '6.0.0-2': 'Packets need not begin or end where frames do',
    '6.0.0-3':
      'A client offers the subprotocol `mqtt`; without it or `mqttv3.1` the upgrade is refused with 400',
    '6.0.0-4': 'The server selects `mqtt`',
  }),
  untested('7.0.0-1', 'A server that connects to others is a client too', 'Encke connects to no MQTT server'),
  untested(
    '7.0.0-2',
    'No extension is needed to work with others',
    'the whole suite speaks nothing but the standard',
  ),
  untested('7.1.1-1', 'The transport is an ordered, lossless stream of bytes', 'WebSocket over TCP is one'),
  ofTheClient('7.1.2-1', 'The same for the client'),
];

/** In the order of the standard. */
export const statements: readonly Statement[] = unordered.sort((a, b) => {
  const [left, right] = [a, b].map(({ id }) => id.split(/[-.]/).slice(1).map(Number));
  const differs = left!.findIndex((number, index) => number !== right![index]);
  return left![differs]! - right![differs]!;
});

/** Markdown, for docs/mqtt-conformance.md. */
export function statementsTable(): string {
  const rows = statements.map(({ id, says, proof }) => `| ${id} | ${says} | ${proofCell(proof)} |`);
  return ['| statement | in short | test |', '|---|---|---|', ...rows].join('\n');
}

function proofCell(proof: Statement['proof']): string {
  if ('client' in proof) return `client: ${proof.client}`;
  if ('untested' in proof) return `none: ${proof.untested}`;
  return `[${proof.file}](../test/conformance/mqtt-3.1.1/${proof.file}.test.ts)`;
}
