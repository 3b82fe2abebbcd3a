import type * as UWebSockets from 'uWebSockets.js';

/**
 * uWebSockets.js in the build for this version of Node: no build supports all of 20 to 26. All values come from here.
 * Types come from the older build, because features of the newer one are not used.
 */

/** Name of the package in package.json, and its least glibc. */
interface Build {
  readonly name: string;
  readonly glibc: string;
}

const older: Build = { name: 'uWebSockets.js', glibc: '2.27' };
const newer: Build = { name: 'uWebSockets.js-20.69', glibc: '2.38' };

/** By major version. Node 22 has both builds, and uses the one that loads on more systems. */
const builds: Readonly<Record<number, Build>> = { 20: older, 22: older, 24: newer, 26: newer };

/** No build runs here. The sentence says what to do. */
export class PlatformError extends Error {
  readonly code = 'ERR_ENCKE_PLATFORM';
}

/** The properties of a platform that decide whether a build loads. */
export interface Platform {
  /** `process.versions.node` */
  readonly node: string;
  readonly system: string;
  readonly processor: string;
  /** Of a Linux that has it. */
  readonly glibc: string | undefined;
}

/** @returns undefined where the version of Node has none */
export function buildOf(node: string): Build | undefined {
  return builds[majorOf(node)];
}

/** @param cause the error of the build, if loading was tried */
export function whyNot(platform: Platform, cause?: unknown): string {
  const { node, system, processor, glibc } = platform;
  const build = buildOf(node);
  if (build === undefined) {
    return `uWebSockets.js has no binary for Node ${node}: use Node ${Object.keys(builds)
      .join(', ')
      .replace(/, (\d+)$/, ' or $1')}.`;
  }
  if (system === 'linux' && glibc === undefined)
    return 'uWebSockets.js is built for glibc, which this system (Alpine?) does not have: use Debian, Ubuntu or another Linux with glibc.';
  if (system === 'linux' && glibc !== undefined && isOlder(glibc, build.glibc)) {
    const elsewhere =
      build === newer
        ? `use Node 20 or 22 here, or a newer system (Debian 13, Ubuntu 24.04)`
        : 'use a newer system';
    return `uWebSockets.js for Node ${majorOf(node)} needs glibc ${build.glibc} or later, and this system has ${glibc}: ${elsewhere}.`;
  }
  const said = /^Error: .*$/m.exec((cause as Error | undefined)?.message ?? '')?.[0] ?? String(cause);
  return `uWebSockets.js has no binary here for Node ${majorOf(node)} on ${system} ${processor}: run "npm ci" with this Node, as npm installs the binary of the Node that runs it (${said}).`;
}

async function load(): Promise<typeof UWebSockets> {
  const build = buildOf(process.versions.node);
  if (build === undefined) throw new PlatformError(whyNot(thisPlatform()));
  try {
    return (await import(build.name)).default;
  } catch (cause) {
    throw new PlatformError(whyNot(thisPlatform(), cause));
  }
}

function thisPlatform(): Platform {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  const { platform: system, arch: processor } = process;
  return { node: process.versions.node, system, processor, glibc: header.glibcVersionRuntime };
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}

function isOlder(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}

export const uWS = await load();

/** A WebSocket of 20.69 has an empty address from its upgrade on. */
export const webSocketsHaveAddress = buildOf(process.versions.node) === older;
