import { terminalText } from '../terminal-text.js';

/** Formats rows as a table for people: columns are as wide as their widest value, and numbers stand on the right. */
export function tableOf(heads: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) => row.map(shown));
  const widths = heads.map((head, i) => Math.max(head.length, ...texts.map((row) => [...row[i]!].length)));
  const isNumber = heads.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const lines = [heads, ...texts].map((row) =>
    row
      .map((text, i) => {
        const padding = ' '.repeat(widths[i]! - [...text].length);
        return isNumber[i] ? padding + text : text + padding;
      })
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

function shown(value: string | number): string {
  return terminalText(String(value));
}

/** 1,536 -> 1.5 KB */
export function bytesText(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB'];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** 93,784 -> 1d 2h */
export function timeText(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
}
