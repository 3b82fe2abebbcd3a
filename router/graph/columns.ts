/** A column with room for `index`, half as large again when it has to grow. */
export function grownFor(column: Uint32Array<ArrayBuffer>, index: number): Uint32Array<ArrayBuffer> {
  if (index < column.length) return column;
  const grown = new Uint32Array(Math.max(index + 1, Math.ceil(column.length * 1.5), 64));
  grown.set(column);
  return grown;
}
