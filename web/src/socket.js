import { failure, refusal } from './failure.js';
import { packet } from './media.js';

/** From the request to the first word of the server. */
const OPEN_WITHIN = 5000;

/** How often the server is told the latency, for its list of viewers. */
const TELL_EVERY = 2000;

/**
 * A media WebSocket. Lives once: when it fails, make another.
 *
 * Events: `tracks` (CustomEvent with `Tracks`), `packet` (CustomEvent with a `Packet`), `skipped`, `failed` (CustomEvent with
 * a `Failure`).
 */
export class MediaSocket extends EventTarget {
  /** @type {string | null} by which the server knows this viewer */
  viewer = null;
  bytes = 0;
  /** Units that the server left out because this page or its link was too slow. */
  skipped = 0;

  #url;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;
  #told = 0;
  #open = false;

  /**
   * @param {URL | string} url
   * @param {'units' | 'fmp4'} format
   * @param {boolean} audio
   */
  constructor(url, format, audio) {
    super();
    this.#url = new URL(url);
    this.#url.searchParams.set('format', format);
    if (audio) this.#url.searchParams.set('audio', '1');
  }

  start() {
    const url = new URL(this.#url);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event) => this.#heard(event.data);
    socket.onclose = () => this.#closed();
    this.#socket = socket;
    this.#deadline = setTimeout(() => this.#closed(), OPEN_WITHIN);
  }

  close() {
    clearTimeout(this.#deadline);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /**
   * Tells the server now and then what is measured.
   * @param {number} ms from capture to screen
   */
  tell(ms) {
    const now = performance.now();
    if (now - this.#told < TELL_EVERY || this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#told = now;
    this.#socket.send(JSON.stringify({ type: 'latency', ms: Math.max(0, ms) }));
  }

  /** @param {string | ArrayBuffer} data */
  #heard(data) {
    if (typeof data === 'string') {
      this.#said(JSON.parse(data));
      return;
    }
    this.bytes += data.byteLength;
    const detail = packet(data);
    if (detail) this.dispatchEvent(new CustomEvent('packet', { detail }));
  }

  /** @param {any} message */
  #said(message) {
    switch (message.type) {
      case 'hello':
        this.#open = true;
        this.viewer = message.viewer;
        clearTimeout(this.#deadline);
        break;
      case 'tracks':
        this.dispatchEvent(new CustomEvent('tracks', { detail: message }));
        break;
      case 'skipped':
        this.skipped += message.units;
        this.dispatchEvent(new Event('skipped'));
        break;
      case 'unsupported':
        this.#fail({ kind: 'refused', message: message.message, elsewhere: true });
        break;
    }
  }

  async #closed() {
    this.close();
    if (this.#open) this.#fail({ kind: 'network', message: 'The connection to the server broke.' });
    else this.#fail(await this.#why());
  }

  /** A browser does not show what the server answered instead of a WebSocket, but shows the same answer to a plain request. */
  async #why() {
    try {
      const response = await fetch(this.#url, { signal: AbortSignal.timeout(OPEN_WITHIN) });
      if (response.status !== 426) return failure(await refusal(response));
      return { kind: /** @type {const} */ ('media'), message: 'No WebSocket gets through to the server.', elsewhere: true };
    } catch (error) {
      return failure(error);
    }
  }

  /** @param {import('./failure.js').Failure} detail */
  #fail(detail) {
    this.close();
    this.dispatchEvent(new CustomEvent('failed', { detail }));
  }
}
