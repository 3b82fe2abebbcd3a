// Renders a chart to SVG with ECharts, and to PNG with resvg, without a browser. The same chart always gives the same
// bytes, on every machine.

import { Resvg } from '@resvg/resvg-js';
import { init, setPlatformAPI } from 'echarts';
import type { Chart } from './chart.js';
import { frame, type Size } from './frame.js';
import { FONT_FILES, textWidth } from './text-width.js';

// Otherwise ECharts uses the widths of Helvetica, which is a tenth narrower than the font of the chart.
setPlatformAPI({
  measureText(text: string, font?: string) {
    const sizePx = Number(/([\d.]+)px/.exec(font ?? '')?.[1] ?? 12);
    return { width: textWidth(text, { sizePx, bold: /\bbold\b/.test(font ?? '') }) };
  },
});

export function renderSvg(chart: Chart, asked: Size): string {
  const { option, size } = frame(chart, asked);
  const instance = init(null, null, {
    renderer: 'svg',
    ssr: true,
    width: size.widthPx,
    height: size.heightPx,
  });
  try {
    instance.setOption(option);
    return titled(still(instance.renderToSVGString()), chart.title);
  } finally {
    instance.dispose();
  }
}

export function renderPng(svg: string): Buffer {
  return new Resvg(svg, {
    background: '#ffffff',
    font: { loadSystemFonts: false, fontFiles: FONT_FILES, defaultFontFamily: 'DejaVu Sans' },
  })
    .render()
    .asPng();
}

/** For screen readers, and as a tooltip. */
function titled(svg: string, title: string): string {
  const escaped = title.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return (
    svg
      .replace(/^<svg ([^>]*)>/, (_, attributes) => `<svg ${attributes} role="img"><title>${escaped}</title>`)
      // Characters that XML 1.0 cannot write.
      .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd')
  );
}

/**
 * Removes ids, class names and rules for the mouse, which contain the number of the ECharts instance: a second drawing
 * would be a different file.
 */
function still(svg: string): string {
  return svg
    .replace(/<style ?><!\[CDATA\[.*?\]\]>\s*<\/style>\n?/s, '')
    .replace(/ (?:class="zr\d+-cls-\d+"|pointer-events="visible"|ecmeta_\w+="[^"]*")/g, '')
    .replace(/(id="|url\(#)zr\d+-/g, '$1')
    .concat('\n');
}
