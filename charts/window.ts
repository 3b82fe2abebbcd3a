// The moving window over which a long run is averaged, because single seconds show only noise.

const WINDOWS_SEC = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600];

/**
 * At least a 300th of the run: narrower than a reader can see at 800 pixels, wide enough to smooth an hour or a day.
 */
export function chooseWindowSec(lengthSec: number): number {
  return WINDOWS_SEC.find((windowSec) => windowSec >= lengthSec / 300) ?? WINDOWS_SEC.at(-1)!;
}

export function describeWindow(windowSec: number): string {
  return windowSec < 120 ? `${windowSec} s` : `${windowSec / 60} min`;
}

/** The largest known value in the window before each row; NaN where there is none. */
export function movingMost(
  elapsedSec: readonly number[],
  values: readonly number[],
  windowSec: number,
): number[] {
  /** Rows in the window, each with a larger value than all later ones. */
  const largest: number[] = [];
  return values.map((value, row) => {
    while (largest.length > 0 && elapsedSec[largest[0]!]! <= elapsedSec[row]! - windowSec) largest.shift();
    if (!Number.isNaN(value)) {
      while (largest.length > 0 && values[largest.at(-1)!]! <= value) largest.pop();
      largest.push(row);
    }
    return largest.length > 0 ? values[largest[0]!]! : Number.NaN;
  });
}
