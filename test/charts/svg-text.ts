// The texts of a drawn SVG and the boxes they cover, from their positions and the widths of the font.

import { textWidth } from '../../charts/text-width.js';

export interface TextBox {
  readonly text: string;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
  '&quot;': '"',
  '&#39;': "'",
};

export function textBoxes(svg: string): TextBox[] {
  return [...svg.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].map(([, attributes, escaped]) => {
    const text = escaped!.replace(/&(?:\w+|#39);/g, (entity) => ENTITIES[entity] ?? entity);
    const attribute = (name: string) => new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes!)?.[1];
    const style = attribute('style') ?? '';
    const sizePx = Number(/font-size:([\d.]+)px/.exec(style)?.[1]);
    const width = textWidth(text, { sizePx, bold: style.includes('bold') });
    const anchor = attribute('text-anchor');
    const x = Number(attribute('x') ?? 0) - (anchor === 'middle' ? width / 2 : anchor === 'end' ? width : 0);
    const y = Number(attribute('y') ?? 0) - sizePx / 2;
    const place = transformOf(attribute('transform') ?? '');
    const [ax, ay] = place(x, y);
    const [bx, by] = place(x + width, y + sizePx);
    return {
      text,
      left: Math.min(ax, bx),
      right: Math.max(ax, bx),
      top: Math.min(ay, by),
      bottom: Math.max(ay, by),
    };
  });
}

function transformOf(transform: string): (x: number, y: number) => [number, number] {
  const numbers = (/\((.*)\)/.exec(transform)?.[1] ?? '').split(/[ ,]+/).map(Number);
  if (transform.startsWith('matrix')) {
    const [a = 1, b = 0, c = 0, d = 1, e = 0, f = 0] = numbers;
    return (x, y) => [a * x + c * y + e, b * x + d * y + f];
  }
  if (transform === '') return (x, y) => [x, y];
  if (!transform.startsWith('translate')) throw new Error(`a transform nobody expected: ${transform}`);
  return (x, y) => [x + numbers[0]!, y + (numbers[1] ?? 0)];
}
