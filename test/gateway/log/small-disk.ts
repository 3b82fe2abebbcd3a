import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of 64 KiB, which can be filled. Only root may mount one. */
export class SmallDisk {
  readonly directory = mkdtempSync(join(tmpdir(), 'encke-small-disk-'));

  constructor() {
    const mount = ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', this.directory];
    const made = spawnSync('mount', mount, { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`mount: ${made.stderr}`);
  }

  fill(): void {
    const { bavail, bsize } = statfsSync(this.directory);
    writeFileSync(join(this.directory, 'filling'), Buffer.alloc(bavail * bsize));
  }

  makeRoom(): void {
    rmSync(join(this.directory, 'filling'));
  }

  /** Nobody may have a file on it open. */
  unmount(): void {
    spawnSync('umount', [this.directory]);
    rmdirSync(this.directory);
  }
}
