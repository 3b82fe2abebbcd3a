import { hasControlCharacter, type IdProblem, problemOfId } from '../../router/topic.js';
import { filterProblemText, matches, problemOfFilter } from '../../router/topic-filter.js';
import { type Config, ConfigError } from '../config.js';

interface Rule {
  readonly filter: string;
  readonly pattern: RegExp;
  readonly replacement: string;
}

type RewriteConfig = Pick<Config, 'mqttRewrite' | 'idBytesMax' | 'topicLevelsMax' | 'allowControlCharacters'>;

export type TopicProblem = IdProblem | 'control-character';

/** Topics that are changed as they come in, by the operator's rules: the first whose filter and pattern both fit. */
export class Rewrite {
  #publish: readonly Rule[] = [];
  #subscribe: readonly Rule[] = [];
  readonly #config: RewriteConfig;

  /** @throws ConfigError */
  constructor(config: RewriteConfig) {
    this.#config = config;
    this.prepared(config)();
  }

  /** @returns a function that takes these rules @throws ConfigError */
  prepared({ mqttRewrite }: Pick<Config, 'mqttRewrite'>): () => void {
    const publish: Rule[] = [];
    const subscribe: Rule[] = [];
    for (const text of mqttRewrite) {
      const [what, filter, pattern, replacement] = text.split(' ') as [string, string, string, string];
      this.#assertFilter(filter, text);
      const rule = { filter, pattern: compile(pattern, text), replacement };
      if (what !== 'sub') publish.push(rule);
      if (what !== 'pub') subscribe.push(rule);
    }
    return () => {
      this.#publish = publish;
      this.#subscribe = subscribe;
    };
  }

  /** @returns undefined where it is no topic: as it came [MQTT-3.3.2-2], or as a rule has made it */
  publishTopic(topic: string): string | undefined {
    if (this.#problemOf(topic) !== undefined) return undefined;
    if (this.#publish.length === 0) return topic;
    const rewritten = apply(this.#publish, topic);
    return rewritten !== topic && this.#problemOf(rewritten) !== undefined ? undefined : rewritten;
  }

  /** Why `publishTopic` has returned none. @returns the problem, and the topic that has it */
  problemOfTopic(asked: string): { problem: TopicProblem | undefined; topic: string } {
    const problem = this.#problemOf(asked);
    if (problem !== undefined) return { problem, topic: asked };
    const topic = apply(this.#publish, asked);
    return { problem: this.#problemOf(topic), topic };
  }

  subscribeFilter(filter: string): string {
    return this.#subscribe.length === 0 ? filter : apply(this.#subscribe, filter);
  }

  #problemOf(topic: string): TopicProblem | undefined {
    const { idBytesMax, topicLevelsMax, allowControlCharacters } = this.#config;
    const problem = problemOfId(topic, idBytesMax, topicLevelsMax);
    if (problem !== undefined || allowControlCharacters) return problem;
    return hasControlCharacter(topic) ? 'control-character' : undefined;
  }

  #assertFilter(filter: string, rule: string): void {
    const problem = problemOfFilter(filter, this.#config.idBytesMax, this.#config.topicLevelsMax);
    if (problem === undefined) return;
    throw new ConfigError(
      `--mqtt-rewrite must hold rules with a topic filter, not ${JSON.stringify(rule)}: ${filterProblemText[problem]}`,
    );
  }
}

function compile(pattern: string, rule: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch (error) {
    throw new ConfigError(
      `--mqtt-rewrite must hold rules with a regular expression, not ${JSON.stringify(rule)}: ${(error as Error).message}.`,
    );
  }
}

function apply(rules: readonly Rule[], topic: string): string {
  for (const { filter, pattern, replacement } of rules) {
    if (matches(filter, topic) && pattern.test(topic)) return topic.replace(pattern, replacement);
  }
  return topic;
}
