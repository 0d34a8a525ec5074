import { captureTime } from './latency.js';
import { WhepSession } from './session.js';
import { digest, summary } from './stats.js';

/**
 * @typedef {import('./screen.js').Screen} Screen
 *
 * @typedef {object} Shown a frame on the screen
 * @property {number} at local time
 * @property {number | null} captured Unix ms on the server's clock
 * @property {number} frames shown since the session began
 * @property {number} [rtpTimestamp]
 *
 * @typedef {object} WayOptions
 * @property {URL} url of the camera, with a slash at its end
 * @property {Screen} screen
 * @property {boolean} audio
 *
 * @typedef {object} Way a session by one of the ways. Lives once. Events: `frame` (CustomEvent with `Shown`), `failed`
 *   (CustomEvent with a `Failure`)
 * @property {() => void} start never throws
 * @property {() => void} close
 * @property {() => Promise<import('./stats.js').Stats>} stats
 * @property {string | null} viewer by which the server knows this viewer
 * @property {boolean} open frames can come; until then the session itself sees to it that nobody waits for ever
 * @property {boolean} told whether every frame is told, or only the first
 * @property {(ms: number) => void} [tell] tells the server the latency
 */

/**
 * Plays by WebRTC.
 * @implements {Way}
 */
export class WebRtcWay extends EventTarget {
  told = true;
  #session;
  #screen;
  /** @type {ReturnType<typeof digest> | null} */
  #before = null;

  /** @param {WayOptions} options */
  constructor({ url, screen, audio }) {
    super();
    this.#screen = screen;
    this.#session = new WhepSession(new URL('whep', url), { audio });
    this.#session.addEventListener('begun', () => this.#attach());
    this.#session.addEventListener('failed', (event) => {
      this.dispatchEvent(new CustomEvent('failed', { detail: /** @type {CustomEvent} */ (event).detail }));
    });
  }

  get viewer() {
    return this.#session.viewer;
  }

  get open() {
    return this.#session.connected;
  }

  start() {
    this.#session.start();
  }

  close() {
    this.#session.close();
  }

  async stats() {
    const now = digest((await this.#session.stats()).values(), performance.now());
    const stats = summary(now, this.#before);
    this.#before = now;
    return stats;
  }

  #attach() {
    const { video } = this.#screen;
    this.told = this.#screen.showVideo((frame) => this.#frame(frame));
    video.srcObject = this.#session.stream;
    if (!this.told) video.addEventListener('loadeddata', () => this.#say({ at: performance.now(), captured: null, frames: 0 }), { once: true });
    this.#screen.play();
  }

  /** @param {VideoFrameCallbackMetadata} frame */
  #frame({ rtpTimestamp, presentedFrames: frames }) {
    // This moment, and not `expectedDisplayTime`: that is an estimate which, for one and the same stream, lies up to a screen
    // refresh before or after from one connection to the next.
    const at = performance.now();
    const source = this.#session.receiver.getSynchronizationSources()[0];
    const captured = rtpTimestamp === undefined || !source ? null : captureTime(source, rtpTimestamp);
    this.#say({ at, captured, frames, rtpTimestamp });
  }

  /** @param {Shown} detail */
  #say(detail) {
    this.dispatchEvent(new CustomEvent('frame', { detail }));
  }
}
