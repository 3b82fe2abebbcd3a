// The width of a text, so that nothing overlaps: there is no browser to measure it. Advance widths of DejaVu Sans, the
// font of the PNGs. Verdana and Bitstream Vera, next in the font stack, have the same widths.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const FONT_FILES = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) =>
  require.resolve(`dejavu-fonts-ttf/ttf/${file}`),
);
export const FONT_FAMILY = "'DejaVu Sans', Verdana, 'Bitstream Vera Sans', sans-serif";

export interface Font {
  readonly sizePx: number;
  readonly bold?: boolean;
}

/** Thousandths of the font size for U+0020 to U+007E: table `hmtx` of DejaVu Sans 2.37. */
const REGULAR = [
  318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636,
  636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295,
  295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838,
  500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521,
  392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];
const BOLD = [
  348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696,
  696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372,
  372, 775, 637, 995, 837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838,
  500, 500, 675, 716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595,
  478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838,
];
/** Letters with accents and other scripts: about as wide as the widest common letters; from U+2E80 on, square. */
const OTHER = 750;
const SQUARE = 1000;
const FIRST_SQUARE = 0x2e80;

export function textWidth(text: string, { sizePx, bold }: Font): number {
  const widths = bold ? BOLD : REGULAR;
  let thousandths = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    thousandths += widths[code - 32] ?? (code < FIRST_SQUARE ? OTHER : SQUARE);
  }
  return (thousandths * sizePx) / 1000;
}

/** Breaks at spaces, and removes a separating dot there. A text longer than `linesMax` lines ends with an ellipsis. */
export function wrapText(text: string, font: Font, widthPx: number, linesMax: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length > 0 && textWidth(longer, font) <= widthPx) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  if (lines.length > linesMax) lines.splice(linesMax - 1, lines.length, lines.slice(linesMax - 1).join(' '));
  return lines.map((line) => fitText(line.replace(/^· | ·$/g, ''), font, widthPx));
}

export function fitText(text: string, font: Font, widthPx: number): string {
  if (textWidth(text, font) <= widthPx) return text;
  let characters = [...text];
  while (characters.length > 1 && textWidth(`${characters.join('')}…`, font) > widthPx) {
    characters = characters.slice(0, -1);
  }
  return `${characters.join('').trimEnd()}…`;
}
