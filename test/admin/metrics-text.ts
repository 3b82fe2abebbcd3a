/** Reads the text format of Prometheus strictly: what it cannot read is an error with its line. */

export interface ParsedFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: ParsedSample[];
}

export interface ParsedSample {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly value: number;
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** @throws Error with the line, for anything that a scraper would refuse or warn of */
export function parseMetrics(text: string): Map<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, ParsedFamily>();
  const seen = new Set<string>();
  let help: [name: string, text: string] | undefined;
  let current: [name: string, family: ParsedFamily] | undefined;
  for (const line of text.trimEnd().split('\n')) {
    const fail = (why: string) => new Error(`${why}: ${line}`);
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      help = [name!, rest!];
    } else if (keyword === 'TYPE') {
      if (help?.[0] !== name || families.has(name!)) throw fail('HELP and TYPE once, in that order');
      if (!['counter', 'gauge', 'histogram'].includes(rest!)) throw fail('type');
      if ((rest === 'counter') !== name!.endsWith('_total'))
        throw fail('counters, and they alone, end with _total');
      current = [name!, { type: rest!, help: help![1], samples: [] }];
      families.set(...current);
    } else {
      const match = sampleLine.exec(line);
      if (match === null || current === undefined) throw fail('no sample');
      const [family, { type, samples }] = current;
      const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      if (!suffixes.some((suffix) => match[1] === family + suffix)) throw fail(`not of ${family}`);
      const key = `${match[1]}{${match[2] ?? ''}}`;
      if (seen.has(key)) throw fail('twice');
      seen.add(key);
      samples.push({ name: match[1]!, labels: labelsOf(match[2] ?? '', fail), value: Number(match[3]) });
    }
  }
  return families;
}

function labelsOf(text: string, fail: (why: string) => Error): Record<string, string> {
  const labels: Record<string, string> = {};
  labelPair.lastIndex = 0;
  while (labelPair.lastIndex < text.length) {
    const match = labelPair.exec(text);
    if (match === null) throw fail('labels');
    labels[match[1]!] = match[2]!;
  }
  return labels;
}
