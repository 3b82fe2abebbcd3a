/** Client ids of one call. */
const batchMax = 500;

export function inBatches<Item>(items: readonly Item[], sizeMax = batchMax): (readonly Item[])[] {
  const batches = [];
  for (let at = 0; at < items.length; at += sizeMax) batches.push(items.slice(at, at + sizeMax));
  return batches;
}
