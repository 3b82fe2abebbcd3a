// How charts look: fonts, inks, and the colours of lines.

import type { Font } from './text-width.js';

export const TITLE: Font = { sizePx: 16, bold: true };
export const SUBTITLE: Font = { sizePx: 11 };
export const LABEL: Font = { sizePx: 12 };

export const INK = '#1a1a1a';
export const SOFT_INK = '#555555';
export const GRID = '#e3e3e3';

/** Colours of Okabe and Ito, which colour-blind readers can distinguish, darkened for thin lines on white. */
const COLORS = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#a3447f',
  '#8a6d00',
  '#3a9bd9',
  '#5f4690',
  '#000000',
] as const;

export function colorOf(index: number): string {
  return COLORS[index % COLORS.length]!;
}
