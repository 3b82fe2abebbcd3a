// The lines above a chart and the names in its legend: title, machine, time and command. A comparison shows common
// parts once, and a line with the differences for each run.

import type { Chart } from './chart.js';
import { describeCommand, describeMachine, describeStart, type RunMetadata } from './metadata.js';

/** Most lines of a comparison's subtitle with a run each; more would leave no room for the plot. */
const RUNS_TOLD_MAX = 4;

export interface Titled {
  readonly title: string;
  readonly metadata: RunMetadata;
}

export function heading(
  noun: string,
  runs: readonly Titled[],
  givenTitle: string | undefined,
): Pick<Chart, 'title' | 'subtitle'> {
  const title = givenTitle ?? titleOf(runs);
  return {
    title: title === '' ? noun : `${noun}: ${title}`,
    subtitle: (runs.length === 1 ? tellOne(runs[0]!.metadata) : tellSeveral(runs)).filter(
      (line) => line !== '',
    ),
  };
}

/** A name for each run; runs with the same title get numbers. */
export function legendNames(runs: readonly Titled[]): string[] {
  const seen = new Map<string, number>();
  return runs.map(({ title }) => {
    const times = (seen.get(title) ?? 0) + 1;
    seen.set(title, times);
    return times === 1 ? title : `${title} (${times})`;
  });
}

/** The name of a line, with the name of its run in front when there are several runs. */
export function lineName(runName: string, what: string, runsTotal: number): string {
  return runsTotal === 1 ? what : `${runName}: ${what}`;
}

function titleOf(runs: readonly Titled[]): string {
  const names = legendNames(runs);
  return names.length <= 2 ? names.join(' and ') : `${names.length} runs`;
}

function tellOne(metadata: RunMetadata): string[] {
  const machineAndStart = [describeMachine(metadata), describeStart(metadata)].filter((part) => part !== '');
  return [machineAndStart.join(' · '), describeCommand(metadata)];
}

function tellSeveral(runs: readonly Titled[]): string[] {
  const machines = new Set(runs.map(({ metadata }) => describeMachine(metadata)));
  const sameMachine = machines.size === 1;
  const names = legendNames(runs);
  const told = runs.slice(0, RUNS_TOLD_MAX).flatMap(({ metadata }, i) => {
    const parts = [
      sameMachine ? '' : describeMachine(metadata),
      describeStart(metadata),
      describeCommand(metadata),
    ];
    const known = parts.filter((part) => part !== '');
    return known.length === 0 ? [] : [`${names[i]}: ${known.join(' · ')}`];
  });
  const untold = runs.length - RUNS_TOLD_MAX;
  return [...(sameMachine ? machines : []), ...told, untold > 0 ? `and ${untold} more` : ''];
}
