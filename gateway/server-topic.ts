/**
 * Only the server speaks under `$SYS`. A PUBLISH to it from a client is acknowledged and goes nowhere [MQTT-3.3.5-2];
 * a send to it through the router API or the global name is refused.
 */
export function isServerTopic(topic: string): boolean {
  return topic === '$SYS' || topic.startsWith('$SYS/');
}
