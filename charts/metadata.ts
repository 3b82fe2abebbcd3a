// Reads the JSON beside a recording: machine, time and command. All of it may be missing; a chart is then drawn
// without it.

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { formatBytes } from './units.js';

const metadataSchema = z.object({
  title: z.string().optional(),
  machine: z
    .object({
      cpu: z.string(),
      cores: z.number(),
      memoryBytes: z.number(),
      os: z.string(),
      node: z.string(),
    })
    .partial()
    .optional(),
  command: z.array(z.string()).optional(),
  startedAt: z.iso.datetime({ offset: true }).optional(),
});

export type RunMetadata = z.infer<typeof metadataSchema>;

export async function readMetadata(csvPath: string): Promise<{ metadata: RunMetadata; note?: string }> {
  const path = csvPath.replace(/\.csv$/i, '').concat('.json');
  const name = basename(path);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return {
      metadata: {},
      note: `no ${name} beside the CSV: machine, date and command are not on the chart.`,
    };
  }
  try {
    return { metadata: metadataSchema.parse(JSON.parse(text)) };
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error).replace(/\s+/g, ' ') : 'not JSON';
    return { metadata: {}, note: `${name} is left out: ${why}` };
  }
}

export function describeMachine({ machine }: RunMetadata): string {
  if (!machine) return '';
  const { cpu, cores, memoryBytes, os, node } = machine;
  return [
    cpu,
    cores === undefined ? undefined : `${cores} ${cores === 1 ? 'core' : 'cores'}`,
    memoryBytes === undefined ? undefined : formatBytes(memoryBytes, 3),
    os,
    node === undefined ? undefined : `Node ${node.replace(/^v/, '')}`,
  ]
    .filter((part) => part !== undefined)
    .join(', ');
}

/** `2026-03-01 12:00 UTC`: to the minute, the same on every machine. */
export function describeStart({ startedAt }: RunMetadata): string {
  if (startedAt === undefined) return '';
  return `${new Date(startedAt).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** The command from `encke` on, without the paths of node and of the checkout. */
export function describeCommand({ command }: RunMetadata): string {
  if (!command) return '';
  const door = command.findIndex((word) => /^encke(\.[cm]?js)?$/.test(basename(word)));
  const words = door < 0 ? command : ['encke', ...command.slice(door + 1)];
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}
