/** Two things measured in turn, so that the machine's moods touch both: ratios pair by pair, and their spread. */

export interface Sides {
  ours: string;
  theirs: string;
  unit: string;
  pairs: number;
}

export async function sideBySide(
  sides: Sides,
  measureOurs: () => Promise<number>,
  measureTheirs: () => Promise<number>,
): Promise<void> {
  const rows: { ours: number; theirs: number; ratio: number }[] = [];
  for (let pair = 0; pair < sides.pairs; pair++) {
    // Every other pair the other way round, so that neither always comes first.
    const oursFirst = pair % 2 === 0;
    const first = await (oursFirst ? measureOurs : measureTheirs)();
    const second = await (oursFirst ? measureTheirs : measureOurs)();
    const [ours, theirs] = oursFirst ? [first, second] : [second, first];
    rows.push({ ours, theirs, ratio: ours / theirs });
    process.stderr.write(
      `pair ${pair + 1}/${sides.pairs}: ${ours.toFixed(2)} / ${theirs.toFixed(2)} ${sides.unit}\n`,
    );
  }
  console.log(`                 median      min      max   (${sides.pairs} pairs, ${sides.unit})`);
  line(
    sides.ours,
    rows.map((row) => row.ours),
  );
  line(
    sides.theirs,
    rows.map((row) => row.theirs),
  );
  line(
    'ratio',
    rows.map((row) => row.ratio),
  );
}

function line(name: string, values: number[]): void {
  const sorted = [...values].sort((a, b) => a - b);
  const shown = [median(sorted), sorted[0]!, sorted.at(-1)!].map((value) => value.toFixed(2).padStart(9));
  console.log(`${name.padEnd(14)}${shown.join('')}`);
}

function median(sorted: number[]): number {
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
