import { fileURLToPath } from 'node:url';
import { type GatewayProcess, startGateway } from '../test/gateway-process.js';
import { sideBySide } from './side-by-side.js';

/**
 * Two servers on core 0, measured by turns: Encke, and a smaller program that does the same, or another build of Encke
 * where the command line says `--beside <its cli/encke.js>`. All other arguments are flags for Encke.
 */
export class Contenders {
  readonly encke: GatewayProcess;
  readonly other: GatewayProcess;
  /** Description of `other`. */
  readonly otherName: string;

  private constructor(encke: GatewayProcess, other: GatewayProcess, otherName: string) {
    this.encke = encke;
    this.other = other;
    this.otherName = otherName;
  }

  /** @param smaller a file in bench/bare */
  static async start(smaller: string): Promise<Contenders> {
    const { build, flags } = readArguments();
    const enckeFlags = ['--log-level', 'warn', ...flags];
    const encke = await startGateway({ cpu: 0, flags: enckeFlags });
    if (build !== undefined)
      return new Contenders(
        encke,
        await startGateway({ cpu: 0, flags: enckeFlags, program: build }),
        'other build',
      );
    const program = fileURLToPath(new URL(`bare/${smaller}`, import.meta.url));
    return new Contenders(encke, await startGateway({ cpu: 0, program }), 'bare uWS');
  }

  get besideBuild(): boolean {
    return this.otherName === 'other build';
  }

  async compare(
    pairs: number,
    unit: string,
    measure: (server: GatewayProcess) => Promise<number>,
    measureOther = measure,
  ): Promise<void> {
    await sideBySide(
      { ours: 'encke', theirs: this.otherName, unit, pairs },
      () => measure(this.encke),
      () => measureOther(this.other),
    );
  }

  /** Ends this process, too. */
  async end(): Promise<never> {
    await this.encke.kill();
    await this.other.kill();
    process.exit();
  }
}

/** @returns the other build, and what is left of the command line */
export function readArguments(): { build: string | undefined; flags: string[] } {
  const flags = process.argv.slice(2);
  const at = flags.indexOf('--beside');
  const [, build] = at === -1 ? [] : flags.splice(at, 2);
  return { build, flags };
}
