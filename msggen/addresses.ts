/** The forms of an id: the id itself, its path in the router API, the start of its line in a batch. */
export class Addresses {
  readonly #before: string;
  readonly #after: string;
  readonly #pathBefore: string;
  readonly #pathAfter: string;
  readonly #lineBefore: string;
  readonly #lineAfter: string;

  /** `template` has `{n}` for the number of the id, once. */
  constructor(template: string) {
    const [before = '', after = ''] = template.split('{n}');
    this.#before = before;
    this.#after = after;
    this.#pathBefore = `/send/${percentEncoded(before)}`;
    this.#pathAfter = percentEncoded(after);
    this.#lineBefore = `{"id":${JSON.stringify(before).slice(0, -1)}`;
    this.#lineAfter = `${JSON.stringify(after).slice(1)},"data":"`;
  }

  id(number: number): string {
    return this.#before + number + this.#after;
  }

  path(number: number): string {
    return this.#pathBefore + number + this.#pathAfter;
  }

  line(number: number, text: string): string {
    return `${this.#lineBefore}${number}${this.#lineAfter}${text}"}\n`;
  }
}

function percentEncoded(part: string): string {
  return part.split('/').map(encodeURIComponent).join('/');
}
