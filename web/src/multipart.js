/**
 * Takes a multipart answer apart (RFC 2046 §5.1) whose parts tell their length.
 *
 * @typedef {object} Part
 * @property {Map<string, string>} headers names in lower case
 * @property {Uint8Array<ArrayBuffer>} body
 */

/** More than any part's headers. */
const MOST_HEADERS = 4096;
/** More than any picture. */
const MOST_BODY = 64 << 20;

const TEXT = new TextDecoder('latin1');

export class Multipart {
  #rest = new Uint8Array(0);
  /** @type {{ headers: Map<string, string>, length: number } | null} whose body is awaited */
  #part = null;

  /**
   * Takes in what has come and gives all parts that are complete.
   * @param {Uint8Array<ArrayBuffer>} chunk
   * @returns {Part[]}
   * @throws {Error} if it cannot be taken apart
   */
  push(chunk) {
    const rest = new Uint8Array(this.#rest.length + chunk.length);
    rest.set(this.#rest);
    rest.set(chunk, this.#rest.length);
    this.#rest = rest;
    const parts = [];
    for (let part = this.#next(); part; part = this.#next()) parts.push(part);
    return parts;
  }

  /** @returns {Part | null} */
  #next() {
    this.#part ??= this.#head();
    if (!this.#part || this.#rest.length < this.#part.length) return null;
    const { headers, length } = this.#part;
    const body = this.#rest.slice(0, length);
    this.#rest = this.#rest.subarray(length);
    this.#part = null;
    return { headers, body };
  }

  #head() {
    const text = TEXT.decode(this.#rest.subarray(0, MOST_HEADERS));
    const end = text.indexOf('\r\n\r\n', text.search(/\S/));
    if (end < 0) {
      if (text.length === MOST_HEADERS) throw new Error('a part without an end of its headers');
      return null;
    }
    const lines = text.slice(0, end).split('\r\n').filter((line) => line.includes(':'));
    const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
    const length = Number(headers.get('content-length') ?? NaN);
    if (!(length <= MOST_BODY)) throw new Error('a part that does not tell its length');
    this.#rest = this.#rest.subarray(end + 4);
    return { headers, length };
  }
}
