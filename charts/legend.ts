// The legend below the plot, as many rows as its names need.

import type { Line } from './chart.js';
import { FONT_FAMILY, fitText, textWidth } from './text-width.js';
import { INK, LABEL } from './theme.js';

export const LEGEND_ROW_PX = 20;
const ICON_PX = 28;
const ICON_GAP_PX = 5;
const ITEM_GAP_PX = 16;

/** Distributes the names over rows: as many as fit beside one another. */
export function legendRows(lines: readonly Line[], innerPx: number): Line[][] {
  const rows: Line[][] = [];
  let usedPx = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    const itemPx = ICON_PX + ICON_GAP_PX + textWidth(legendText(line.name, innerPx), LABEL) + ITEM_GAP_PX;
    if (usedPx + itemPx - ITEM_GAP_PX > innerPx) {
      rows.push([]);
      usedPx = 0;
    }
    rows.at(-1)!.push(line);
    usedPx += itemPx;
  }
  return rows;
}

function legendText(name: string, innerPx: number): string {
  return fitText(name, LABEL, innerPx - ICON_PX - ICON_GAP_PX);
}

/** One legend for each row, from the top down. */
export function legendOptions(rows: readonly (readonly Line[])[], innerPx: number, topPx: number) {
  return rows.map((lines, row) => ({
    top: topPx + row * LEGEND_ROW_PX,
    // Without marks only the line: ECharts would put a dot on it.
    data: lines.map(({ name, marks }) => ({ name, itemStyle: { opacity: marks ? 1 : 0 } })),
    formatter: (name: string) => legendText(name, innerPx),
    left: 'center',
    padding: 0,
    itemGap: ITEM_GAP_PX,
    itemWidth: ICON_PX,
    textStyle: { fontFamily: FONT_FAMILY, fontSize: LABEL.sizePx, color: INK },
  }));
}
