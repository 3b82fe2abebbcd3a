import type { Config } from '../config.js';
import type { Stats } from '../stats.js';
import { answer, answerJson, type Headers } from './answer.js';
import { bindClientScripts } from './client-scripts.js';
import { policyHeader } from './content-policy.js';
import type { FrontDoor } from './front-door.js';
import { type LandingPageFacts, landingPage, landingPolicy } from './landing-page.js';
import { bindPath } from './methods.js';
import { MqttClientScript } from './mqtt-client-script.js';
import { type MqttDemoConfig, mqttDemoPage, mqttDemoPolicy } from './mqtt-demo-page.js';

function htmlHeaders(policy: string): Headers {
  return [
    ['Content-Type', 'text/html; charset=utf-8'],
    ['Cache-Control', 'no-cache'],
    ['X-Frame-Options', 'DENY'], // for browsers that do not know frame-ancestors
    [policyHeader, policy],
  ];
}

/** Routes of the public listener besides streams: landing page and numbers, client for pages, MQTT demo. */
export function bindPublicPages(
  door: FrontDoor,
  config: Pick<Config, 'mqtt'> & MqttDemoConfig,
  stats: Stats,
  facts: () => LandingPageFacts,
): void {
  bindPath(door, '/', {
    get: (response) => {
      const known = facts();
      answer(response, '200 OK', htmlHeaders(landingPolicy(known)), landingPage(known));
    },
  });
  bindPath(door, '/numbers', {
    get: (response) => answerJson(response, '200 OK', stats.publicNumbers(), [['Cache-Control', 'no-store']]),
  });
  bindClientScripts(door);
  if (config.mqtt) bindMqttDemo(door, config, facts);
}

function bindMqttDemo(door: FrontDoor, config: MqttDemoConfig, facts: () => LandingPageFacts): void {
  const script = new MqttClientScript();
  bindPath(door, '/demo/mqtt', {
    get: (response) => {
      const known = facts();
      answer(response, '200 OK', htmlHeaders(mqttDemoPolicy(known)), mqttDemoPage(known, config));
    },
  });
  bindPath(door, '/demo/mqtt.js', { get: (response) => script.answer(response) });
}
