/** What is under `$SYS` is said by the server alone; what clients publish there is acknowledged and goes nowhere [MQTT-3.3.5-2]. */
export function isServerTopic(topic: string): boolean {
  return topic === '$SYS' || topic.startsWith('$SYS/');
}
