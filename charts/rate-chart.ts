// The growth of a counter of a run: messages a second, or the server's CPU time as a share of a core. A long run shows
// the moving mean, and pale behind it every second, so that no stall is smoothed away.

import type { Chart, ChartOptions, Line } from './chart.js';
import { heading, legendNames, lineName } from './heading.js';
import { rates } from './rate.js';
import type { Run } from './run.js';
import { extentOf, timeAxis, valueAxis } from './scale.js';
import { colorOf } from './theme.js';
import { drawnStretches } from './thinning.js';
import { chooseWindowSec, describeWindow } from './window.js';

interface RateSubject {
  readonly noun: string;
  readonly column: 'messages' | 'serverCpuSec';
  readonly what: string;
  readonly axisTitle: string;
  readonly unitName: string;
  /** From the counter's growth a second to what the axis shows. */
  readonly factor: number;
}

const MESSAGES: RateSubject = {
  noun: 'Messages per second',
  column: 'messages',
  what: 'messages/s',
  axisTitle: 'Messages per second',
  unitName: '',
  factor: 1,
};

const CPU: RateSubject = {
  noun: 'Server CPU',
  column: 'serverCpuSec',
  what: 'CPU of the server',
  axisTitle: 'CPU',
  unitName: '% of one core',
  factor: 100,
};

export function messagesChart(runs: readonly Run[], options: ChartOptions): Chart | undefined {
  return rateChart(MESSAGES, runs, options);
}

export function cpuChart(runs: readonly Run[], options: ChartOptions): Chart | undefined {
  return rateChart(CPU, runs, options);
}

function rateChart(subject: RateSubject, runs: readonly Run[], options: ChartOptions): Chart | undefined {
  const windowSec = chooseWindowSec(Math.max(...runs.map((run) => run.lengthSec)));
  const over = (run: Run, sec: number) =>
    rates(run.elapsedSec, run.column(subject.column), sec).map((rate) => rate * subject.factor);
  const means = runs.map((run) => over(run, windowSec));
  const seconds = windowSec > 1 && runs.length === 1 ? over(runs[0]!, 1) : undefined;
  const extent = extentOf(...means, ...(seconds ? [seconds] : []));
  if (!extent) return undefined;

  const names = legendNames(runs);
  const meanOf = windowSec > 1 ? `, mean over ${describeWindow(windowSec)}` : '';
  const lines = means.map(
    (mean, i): Line => ({
      name: lineName(names[i]!, subject.what + meanOf, runs.length),
      stretches: drawnStretches(runs[i]!.elapsedSec, mean, options.widthPx),
      color: colorOf(i),
      thicknessPx: 2,
    }),
  );
  if (seconds) {
    lines.push({
      name: `${subject.what}, each second`,
      stretches: drawnStretches(runs[0]!.elapsedSec, seconds, options.widthPx),
      color: colorOf(0),
      thicknessPx: 1,
      pale: true,
    });
  }
  return {
    ...heading(subject.noun, runs, options.title),
    x: timeAxis(extentOf(...runs.map((run) => run.elapsedSec))!, options.widthPx),
    left: valueAxis(subject.axisTitle, { min: 0, max: extent.max }, { unitName: subject.unitName }),
    lines,
    references: [],
  };
}
