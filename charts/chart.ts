// A chart as data, before it is drawn. The chart files (memory, rate, latency, ...) make charts; frame.ts lays
// them out.

export type Point = readonly [x: number, y: number];

export interface Axis {
  /** With its unit: `Server RSS (MB)`. */
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
  /** One for each tick. */
  readonly labels: readonly string[];
  readonly log?: boolean;
}

export interface Line {
  readonly name: string;
  /** Each stretch is drawn without a break. Between two stretches the value is unknown. */
  readonly stretches: readonly (readonly Point[])[];
  readonly color: string;
  readonly axis?: 'left' | 'right';
  readonly dash?: 'solid' | 'dashed' | 'dotted';
  readonly thicknessPx?: number;
  /** Drawn pale, behind its own mean. */
  readonly pale?: boolean;
  /** A mark on each point, for curves of few measurements. */
  readonly marks?: boolean;
}

/** A level to compare with, across the whole chart on the left axis. */
export interface Reference {
  readonly label: string;
  readonly value: number;
}

export interface Chart {
  readonly title: string;
  readonly subtitle: readonly string[];
  readonly x: Axis;
  readonly left: Axis;
  readonly right?: Axis;
  /** The first line is on top of the others, and first in the legend. */
  readonly lines: readonly Line[];
  readonly references: readonly Reference[];
}

export interface ChartOptions {
  readonly title?: string | undefined;
  /** Also the number of points from which a line is thinned. */
  readonly widthPx: number;
  readonly references: readonly Reference[];
}
