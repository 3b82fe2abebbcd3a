// Lays a chart out: heading above, legend below, axes with room for their labels, the plot in the rest. All positions
// are computed from the widths of the texts, so that nothing overlaps at any size.

import type { EChartsOption, LineSeriesOption, XAXisComponentOption, YAXisComponentOption } from 'echarts';
import type { Axis, Chart, Line, Reference } from './chart.js';
import { LEGEND_ROW_PX, legendOptions, legendRows } from './legend.js';
import { type Box, placeReferenceLabels } from './reference-label.js';
import { FONT_FAMILY, fitText, textWidth, wrapText } from './text-width.js';
import { GRID, INK, LABEL, SOFT_INK, SUBTITLE, TITLE } from './theme.js';

export interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

const MARGIN_PX = 16;
const TITLE_LINE_PX = 21;
const SUBTITLE_LINE_PX = 15;
const TICK_PX = 8;
const AXIS_TITLE_PX = 22;
const GAP_PX = 5;
const PLOT_GAP_PX = 18;
const PLOT_HEIGHT_MIN_PX = 180;

export function frame(whole: Chart, size: Size): { option: EChartsOption; size: Size } {
  const asked = { ...whole, lines: whole.lines.filter(({ stretches }) => stretches.length > 0) };
  const innerPx = size.widthPx - 2 * MARGIN_PX;
  const titleLines = wrapText(asked.title, TITLE, innerPx, 2);
  const subtitleLines = asked.subtitle.flatMap((line) => wrapText(line, SUBTITLE, innerPx, 2));
  const legend = legendRows(asked.lines, innerPx);
  const abovePx =
    MARGIN_PX + titleLines.length * TITLE_LINE_PX + subtitleLines.length * SUBTITLE_LINE_PX + PLOT_GAP_PX;
  const belowPx = TICK_PX + LABEL.sizePx + AXIS_TITLE_PX + GAP_PX + legend.length * LEGEND_ROW_PX + MARGIN_PX;
  // Many runs have many lines of text: the chart grows, and the plot keeps its size.
  const heightPx = Math.max(size.heightPx, abovePx + PLOT_HEIGHT_MIN_PX + belowPx);
  const plot = { ...plotSides(asked, size), top: abovePx, height: heightPx - abovePx - belowPx };
  const chart = { ...asked, references: asked.references.map((level) => fitReference(level, plot)) };
  const option: EChartsOption = {
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT_FAMILY, color: INK },
    title: headingOption(titleLines, subtitleLines),
    legend: legendOptions(legend, innerPx, heightPx - MARGIN_PX - legend.length * LEGEND_ROW_PX),
    grid: { ...plot, outerBoundsMode: 'none' },
    xAxis: xAxisOption(chart.x, plot.width),
    yAxis: [chart.left, ...(chart.right ? [chart.right] : [])].map((axis, i) =>
      yAxisOption(axis, i === 1, plot.height),
    ),
    series: chart.lines.map((line, i) => ({
      ...seriesOption(line, i === 0 ? chart.references : []),
      z: 10 + chart.lines.length - i,
    })),
    graphic: referenceLabels(chart, plot),
  };
  return { option, size: { widthPx: size.widthPx, heightPx } };
}

function plotSides(chart: Chart, { widthPx }: Size): Pick<Box, 'left' | 'width'> {
  const left = MARGIN_PX + AXIS_TITLE_PX + labelsWidth(chart.left) + TICK_PX;
  const right = chart.right
    ? MARGIN_PX + AXIS_TITLE_PX + labelsWidth(chart.right) + TICK_PX
    : MARGIN_PX + textWidth(chart.x.labels.at(-1) ?? '', LABEL) / 2;
  return { left, width: widthPx - left - right };
}

function fitReference({ label, value }: Reference, plot: Box): Reference {
  return { label: fitText(label, LABEL, plot.width - 2 * TICK_PX), value };
}

function labelsWidth(axis: Axis): number {
  return Math.max(0, ...axis.labels.map((label) => textWidth(label, LABEL)));
}

function headingOption(
  titleLines: readonly string[],
  subtitleLines: readonly string[],
): NonNullable<EChartsOption['title']> {
  return {
    text: titleLines.join('\n'),
    subtext: subtitleLines.join('\n'),
    left: MARGIN_PX,
    top: MARGIN_PX - 4,
    padding: 0,
    itemGap: 4,
    textStyle: {
      fontFamily: FONT_FAMILY,
      fontSize: TITLE.sizePx,
      fontWeight: 'bold',
      lineHeight: TITLE_LINE_PX,
      color: INK,
    },
    subtextStyle: {
      fontFamily: FONT_FAMILY,
      fontSize: SUBTITLE.sizePx,
      lineHeight: SUBTITLE_LINE_PX,
      color: SOFT_INK,
    },
  };
}

function axisOption(axis: Axis, lengthPx: number) {
  const labels = new Map(axis.ticks.map((tick, i) => [tick, axis.labels[i]!]));
  return {
    type: axis.log ? ('log' as const) : ('value' as const),
    name: fitText(axis.title, LABEL, lengthPx),
    nameLocation: 'middle' as const,
    nameTextStyle: { fontFamily: FONT_FAMILY, fontSize: LABEL.sizePx, color: INK },
    min: axis.min,
    max: axis.max,
    axisLine: { show: true, onZero: false, lineStyle: { color: SOFT_INK } },
    axisTick: { show: true, customValues: [...axis.ticks] },
    axisLabel: {
      fontFamily: FONT_FAMILY,
      fontSize: LABEL.sizePx,
      color: INK,
      customValues: [...axis.ticks],
      hideOverlap: false,
      formatter: (value: number) => labels.get(value) ?? '',
    },
  };
}

function xAxisOption(axis: Axis, widthPx: number): XAXisComponentOption {
  return {
    ...axisOption(axis, widthPx),
    nameGap: TICK_PX + LABEL.sizePx + 8,
    splitLine: { show: false },
  } as XAXisComponentOption;
}

function yAxisOption(axis: Axis, right: boolean, lengthPx: number): YAXisComponentOption {
  return {
    ...axisOption(axis, lengthPx),
    position: right ? 'right' : 'left',
    ...(axis.log ? {} : { interval: axis.ticks[1]! - axis.ticks[0]! }),
    nameRotate: right ? -90 : 90,
    nameGap: labelsWidth(axis) + TICK_PX + 8,
    splitLine: { show: !right, lineStyle: { color: GRID } },
  } as YAXisComponentOption;
}

function seriesOption(line: Line, references: readonly Reference[]): LineSeriesOption {
  const data: LineSeriesOption['data'] = [];
  line.stretches.forEach((stretch, i) => {
    if (i > 0) data.push([stretch[0]![0], '-']);
    // A known second between two unknown ones has no line: it gets a mark.
    if (stretch.length === 1) data.push({ value: [...stretch[0]!], symbol: 'circle', symbolSize: 3 });
    else for (const point of stretch) data.push([...point]);
  });
  return {
    type: 'line',
    name: line.name,
    yAxisIndex: line.axis === 'right' ? 1 : 0,
    data,
    showSymbol: true,
    symbol: line.marks ? 'circle' : 'none',
    symbolSize: 5,
    silent: true,
    itemStyle: { color: line.color },
    lineStyle: {
      color: line.color,
      width: line.thicknessPx ?? 2,
      type: line.dash ?? 'solid',
      opacity: line.pale ? 0.35 : 1,
    },
    ...(references.length > 0
      ? {
          markLine: {
            silent: true,
            symbol: 'none',
            label: { show: false },
            lineStyle: { color: SOFT_INK, type: [6, 4], width: 1.2 },
            data: references.map(({ value }) => ({ yAxis: value })),
          },
        }
      : {}),
  };
}

function referenceLabels(chart: Chart, plot: Box): NonNullable<EChartsOption['graphic']> {
  return placeReferenceLabels(chart, plot, LABEL).map((box, i) => ({
    type: 'text',
    silent: true,
    x: box.left + box.width / 2,
    y: box.top + box.height / 2,
    z: 100,
    style: {
      text: chart.references[i]!.label,
      fontSize: LABEL.sizePx,
      fontFamily: FONT_FAMILY,
      align: 'center',
      verticalAlign: 'middle',
      fill: INK,
      stroke: '#ffffff',
      lineWidth: 3,
    },
  }));
}
