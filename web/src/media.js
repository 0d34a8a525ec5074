/**
 * What the server sends over a media WebSocket (docs/ref/http.md, "Media over a WebSocket").
 *
 * @typedef {object} Packet
 * @property {number} kind see `KIND`
 * @property {boolean} key decoding can begin here
 * @property {boolean} gap frames are missing before it
 * @property {boolean} behind newer frames are on their way already
 * @property {number} track
 * @property {number} duration µs, 0 where it is not known
 * @property {number} pts µs
 * @property {number | null} captured Unix ms on the server's clock
 * @property {string | null} clock how the capture time is known
 * @property {Uint8Array<ArrayBuffer>} data
 *
 * @typedef {object} MediaTrack
 * @property {number} id
 * @property {'video' | 'audio'} kind
 * @property {string} codec
 * @property {string | null} description Base64
 * @property {number | null} width
 * @property {number | null} height
 *
 * @typedef {object} Tracks
 * @property {string} mime
 * @property {MediaTrack[]} tracks
 */

export const KIND = { picture: 1, sound: 2, init: 3, fragment: 4 };

const CLOCKS = [null, 'sensor', 'sender_report', 'arrival'];
const LEAST = 24;

/**
 * Takes a message apart; nothing is copied.
 * @param {ArrayBuffer} message
 * @returns {Packet | null} null if it is none
 */
export function packet(message) {
  if (message.byteLength < LEAST) return null;
  const view = new DataView(message);
  const [flags, length] = [view.getUint8(1), view.getUint8(2)];
  if (length < LEAST || length > message.byteLength) return null;
  const captured = Number(view.getBigInt64(16));
  return {
    kind: view.getUint8(0),
    key: (flags & 1) !== 0,
    gap: (flags & 2) !== 0,
    behind: (flags & 4) !== 0,
    track: view.getUint8(3),
    duration: view.getUint32(4),
    pts: Number(view.getBigInt64(8)),
    captured: captured === 0 ? null : captured / 1000,
    clock: CLOCKS[(flags >> 4) & 3],
    data: new Uint8Array(message, length),
  };
}

/** @param {string} text Base64 */
export function bytes(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** Which frame was captured when, for the few frames between arrival and screen. */
export class CaptureTimes {
  /** @type {{ pts: number, captured: number | null }[]} */
  #known = [];
  #most;

  /** @param {number} [most] frames remembered */
  constructor(most = 1024) {
    this.#most = most;
  }

  /**
   * @param {number} pts µs
   * @param {number | null} captured Unix ms
   */
  add(pts, captured) {
    if (this.#known.length >= this.#most) this.#known.splice(0, this.#most / 2);
    this.#known.push({ pts, captured });
  }

  /**
   * When the frame shown at `pts` was captured; frames before it are forgotten.
   * @param {number} pts µs
   * @param {number} [off] how far the time may be off, in µs
   * @returns {number | null} Unix ms on the server's clock
   */
  of(pts, off = 2000) {
    const at = this.#known.findLastIndex((frame) => Math.abs(frame.pts - pts) <= off);
    if (at < 0) return null;
    const { captured } = this.#known[at];
    this.#known.splice(0, at);
    return captured;
  }

  clear() {
    this.#known = [];
  }
}

/** How much later than the earliest of the last moments a frame is, whatever the clocks. */
export class Lateness {
  /** @type {{ at: number, delay: number }[]} rising in both: whatever is later and earlier than an older one outlives it */
  #lows = [];
  #window;

  /** @param {number} window ms */
  constructor(window) {
    this.#window = window;
  }

  /**
   * @param {number} now local time
   * @param {number} time of the frame, by any clock in ms
   */
  of(now, time) {
    const delay = now - time;
    while (this.#lows.length > 0 && now - this.#lows[0].at > this.#window) this.#lows.shift();
    while (this.#lows.length > 0 && this.#lows[this.#lows.length - 1].delay >= delay) this.#lows.pop();
    this.#lows.push({ at: now, delay });
    return delay - this.#lows[0].delay;
  }
}
