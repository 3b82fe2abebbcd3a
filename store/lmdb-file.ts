import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { StoreError } from './store-error.js';

/** LMDB writes `MDB_MAGIC` into the first of its two meta pages, behind a page header of 16 bytes (24 in LMDB 1.0). */
const magic = 0xbeefc0de;
const magicPlaces = [16, 24];
const pageBytesMin = 4096;

/**
 * Refuses a file that LMDB has not written: LMDB would end the process over it.
 * @throws StoreError
 */
export function checkLmdbFile(path: string): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return; // there is none yet, or LMDB says why it cannot be read
  }
  try {
    const { size } = fstatSync(file);
    if (size === 0) return;
    const head = Buffer.alloc(32);
    readSync(file, head, 0, head.length, 0);
    if (size >= 2 * pageBytesMin && magicPlaces.some((place) => head.readUInt32LE(place) === magic)) return;
    throw new StoreError(
      `${path} is damaged, or not a file of Encke: restore a copy of its directory, or give --data another one.`,
    );
  } finally {
    closeSync(file);
  }
}
