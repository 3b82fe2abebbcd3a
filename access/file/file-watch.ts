import { stat } from 'node:fs/promises';

const lookEveryMsDefault = 500;
/** After so many looks, a file that is written to without a pause is read, whole or not. */
const looksMax = 20;

/**
 * Says when a file is another one. It looks at the file twice a second and not at events of the file system, which a
 * symbolic link that is turned (as Kubernetes does with a ConfigMap), a network file system and an overlay do not give. A change
 * counts once two looks in a row have found the same: then several changes within a moment are one, and no file is read
 * that is half written.
 */
export class FileWatch {
  readonly #path: string;
  readonly #onChange: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  /** The file that `onChange` was last called for. */
  #told: string;
  #lastSeen: string;
  #looks = 0;
  #looking = false;

  /** @param told `fileVersionOf` before the file was read */
  constructor(path: string, told: string, onChange: () => Promise<void>, lookEveryMs = lookEveryMsDefault) {
    this.#path = path;
    this.#onChange = onChange;
    this.#told = told;
    this.#lastSeen = told;
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const seen = await fileVersionOf(this.#path);
      const isSettled = seen === this.#lastSeen || ++this.#looks >= looksMax;
      this.#lastSeen = seen;
      if (seen === this.#told || !isSettled) return;
      this.#told = seen;
      this.#looks = 0;
      await this.#onChange();
    } finally {
      this.#looking = false;
    }
  }
}

/** Another text for each content, in all likelihood, or for why there is none. */
export async function fileVersionOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
