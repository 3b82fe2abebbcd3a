// Formats numbers for people: bytes in decimal units (1 MB = 1,000,000 B, as in the figures of the 2008 original), times
// in a fitting unit, counts with thousands separators.

export interface Unit {
  readonly name: string;
  /** Number of base units (bytes, seconds) in this unit. */
  readonly size: number;
}

const BYTE_UNITS: readonly Unit[] = [
  { name: 'B', size: 1 },
  { name: 'KB', size: 1e3 },
  { name: 'MB', size: 1e6 },
  { name: 'GB', size: 1e9 },
  { name: 'TB', size: 1e12 },
];

const BINARY_UNITS: readonly Unit[] = [
  { name: 'KiB', size: 2 ** 10 },
  { name: 'MiB', size: 2 ** 20 },
  { name: 'GiB', size: 2 ** 30 },
];

const SECOND: Unit = { name: 's', size: 1 };
const MINUTE: Unit = { name: 'min', size: 60 };
const HOUR: Unit = { name: 'h', size: 3_600 };
const DAY: Unit = { name: 'days', size: 86_400 };

export function byteUnit(maxBytes: number): Unit {
  return BYTE_UNITS.findLast((unit) => Math.abs(maxBytes) >= unit.size) ?? BYTE_UNITS[0]!;
}

/** A unit in which a span of time is neither hundreds nor a fraction. */
export function timeUnit(lengthSec: number): Unit {
  if (lengthSec <= 300) return SECOND;
  if (lengthSec <= 3 * HOUR.size) return MINUTE;
  return lengthSec <= 3 * DAY.size ? HOUR : DAY;
}

export function formatCount(value: number, decimals = 0): string {
  return value.toLocaleString('en-US', {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

export function formatBytes(bytes: number, significantDigits = 4): string {
  const unit = byteUnit(bytes);
  const value = bytes / unit.size;
  return `${value.toLocaleString('en-US', { maximumSignificantDigits: significantDigits })} ${unit.name}`;
}

export function formatMs(ms: number): string {
  return `${ms.toLocaleString('en-US', { maximumSignificantDigits: 4 })} ms`;
}

/** `1 h 0 min 12 s`, from the largest part that is not zero. */
export function formatDuration(sec: number): string {
  const whole = Math.round(sec);
  const parts = [
    { value: Math.floor(whole / 86_400), name: whole < 2 * 86_400 ? 'day' : 'days' },
    { value: Math.floor(whole / 3_600) % 24, name: 'h' },
    { value: Math.floor(whole / 60) % 60, name: 'min' },
    { value: whole % 60, name: 's' },
  ];
  const first = parts.findIndex(({ value }) => value > 0);
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first);
  return shown.map(({ value, name }) => `${value} ${name}`).join(' ');
}

/** `78MB`, `1.5 GiB`, `1250B` or a plain number of bytes; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?$/i.exec(text.trim());
  if (!match) return undefined;
  const name = (match[2] ?? 'B').toLowerCase();
  const unit = [...BYTE_UNITS, ...BINARY_UNITS].find((known) => known.name.toLowerCase() === name);
  return unit && Number(match[1]) * unit.size;
}
