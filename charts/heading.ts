// The lines above a chart and the names in its legend: what is drawn, on which machine, when, and what was
// asked. One run says all of it; a comparison says what is the same once, and what differs a line a run.

import { type About, describeCommand, describeMachine, describeStart } from './about.js';
import type { Chart } from './chart.js';

/** Lines of a comparison's subtitle that tell a run each; more would leave no room for the plot. */
const RUNS_TOLD_MAX = 4;

export interface Titled {
  readonly title: string;
  readonly about: About;
}

export function heading(
  noun: string,
  runs: readonly Titled[],
  givenTitle: string | undefined,
): Pick<Chart, 'title' | 'subtitle'> {
  const title = givenTitle ?? titleOf(runs);
  return {
    title: title === '' ? noun : `${noun}: ${title}`,
    subtitle: (runs.length === 1 ? tellOne(runs[0]!.about) : tellSeveral(runs)).filter((line) => line !== ''),
  };
}

/** A name for each run; two of the same title are told apart by a number. */
export function legendNames(runs: readonly Titled[]): string[] {
  const seen = new Map<string, number>();
  return runs.map(({ title }) => {
    const times = (seen.get(title) ?? 0) + 1;
    seen.set(title, times);
    return times === 1 ? title : `${title} (${times})`;
  });
}

/** The name of one of a run's lines: with its run before it when there are several. */
export function lineName(runName: string, what: string, runsTotal: number): string {
  return runsTotal === 1 ? what : `${runName}: ${what}`;
}

function titleOf(runs: readonly Titled[]): string {
  const names = legendNames(runs);
  return names.length <= 2 ? names.join(' and ') : `${names.length} runs`;
}

function tellOne(about: About): string[] {
  const machineAndStart = [describeMachine(about), describeStart(about)].filter((part) => part !== '');
  return [machineAndStart.join(' · '), describeCommand(about)];
}

function tellSeveral(runs: readonly Titled[]): string[] {
  const machines = new Set(runs.map(({ about }) => describeMachine(about)));
  const sameMachine = machines.size === 1;
  const names = legendNames(runs);
  const told = runs.slice(0, RUNS_TOLD_MAX).flatMap(({ about }, i) => {
    const parts = [sameMachine ? '' : describeMachine(about), describeStart(about), describeCommand(about)];
    const known = parts.filter((part) => part !== '');
    return known.length === 0 ? [] : [`${names[i]}: ${known.join(' · ')}`];
  });
  const untold = runs.length - RUNS_TOLD_MAX;
  return [...(sameMachine ? machines : []), ...told, untold > 0 ? `and ${untold} more` : ''];
}
