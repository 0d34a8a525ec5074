import { Backoff } from './backoff.js';
import { ClockOffset } from './latency.js';

/**
 * @typedef {object} Track
 * @property {'video' | 'audio'} kind
 * @property {string} codec
 * @property {number} [width]
 * @property {number} [height]
 *
 * @typedef {object} Camera what the server says of a camera
 * @property {string} name
 * @property {'connecting' | 'live' | 'stalled' | 'offline'} state
 * @property {string} [reason] why, in words
 * @property {number} [since_ms] age of the state
 * @property {number | null} [next_try_ms] time until the next attempt
 * @property {{ since: string, since_ms: number } | null} [frozen] frames keep coming, of a picture that has not changed for so long
 * @property {Track[]} [tracks]
 * @property {number} [fps]
 * @property {number} [bitrate] bit/s
 * @property {number} [viewers] those of renditions included
 * @property {number} [restarts]
 * @property {{ age_ms: number, cause: string } | null} [last_restart]
 * @property {string} [capture_clock] how the capture time is known: sensor, sender_report or arrival
 * @property {Omit<Camera, 'renditions' | 'heard'>[]} [renditions] the same picture in other sizes; no cameras of their own
 * @property {number} heard local time at which the server said this
 *
 * @typedef {object} Link the state of the connection to the server
 * @property {boolean} up
 * @property {number | null} retryAt local time of the next attempt, null while one is under way
 */

/** The server speaks once a second; a longer silence means that the connection is dead, whatever TCP thinks. */
const SILENCE = 4000;

/** The first pings come fast, so that the first latency shown is already right. */
const FIRST_PINGS = 8;

/**
 * The live connection to the server: camera states in, clock pings out. Reconnects for ever.
 *
 * Events: `cameras` (see `cameras`), `link` (see `link`).
 */
export class LiveFeed extends EventTarget {
  /** The distance to the server's clock. */
  clock = new ClockOffset();
  /** @type {Camera[] | null} the newest list, null before the first */
  cameras = null;
  /** @type {Link} */
  link = { up: false, retryAt: null };

  #url;
  #backoff = new Backoff();
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #ping;

  /** @param {URL | string} url of the server's live WebSocket */
  constructor(url) {
    super();
    this.#url = url;
  }

  /** Connects now, unless connected or about to be. */
  connect() {
    if (this.#socket) return;
    clearTimeout(this.#retry);
    this.#say({ up: false, retryAt: null });
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#heard(event);
    socket.onclose = () => this.#lost(socket);
    this.#expectWords();
  }

  /** Hangs up; `connect` begins anew. */
  close() {
    const socket = this.#socket;
    this.#socket = null;
    for (const timer of [this.#retry, this.#silence, this.#ping]) clearTimeout(timer);
    if (socket) {
      socket.onclose = socket.onmessage = socket.onopen = null;
      socket.close();
    }
  }

  #opened() {
    this.#backoff.reset();
    this.#say({ up: true, retryAt: null });
    this.#sendPing(FIRST_PINGS);
  }

  /** @param {WebSocket} socket */
  #lost(socket) {
    if (socket !== this.#socket) return;
    this.close();
    const delay = this.#backoff.next();
    this.#retry = setTimeout(() => this.connect(), delay);
    this.#say({ up: false, retryAt: performance.now() + delay });
  }

  /** @param {MessageEvent} event */
  #heard(event) {
    const now = performance.now();
    this.#expectWords();
    const message = JSON.parse(event.data);
    if (message.type === 'pong') {
      this.clock.add(message.t0, now, message.server_us / 1000);
    } else if (message.type === 'cameras') {
      this.cameras = message.cameras.map((/** @type {Camera} */ camera) => ({ ...camera, heard: now }));
      this.dispatchEvent(new Event('cameras'));
    }
  }

  #expectWords() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket && this.#lost(this.#socket), SILENCE);
  }

  /** @param {number} fast how many more pings are sent in quick succession */
  #sendPing(fast) {
    this.#socket?.send(JSON.stringify({ type: 'ping', t0: performance.now() }));
    this.#ping = setTimeout(() => this.#sendPing(Math.max(0, fast - 1)), fast > 0 ? 60 : 1000);
  }

  /** @param {Link} link */
  #say(link) {
    this.link = link;
    this.dispatchEvent(new Event('link'));
  }
}
