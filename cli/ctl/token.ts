import type { Command } from 'commander';
import { tokenOf } from '../token-options.js';

/** The token of the flags, which stand at `ctl` itself. */
export function tokenFileOf(command: Command): string | undefined {
  let ctl = command;
  while (ctl.parent !== null && ctl.name() !== 'ctl') ctl = ctl.parent;
  return tokenOf(ctl, 'token');
}
