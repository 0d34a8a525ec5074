import { failure, refusal } from './failure.js';
import { Multipart } from './multipart.js';
import { noStats, Throughput } from './stats.js';

/** From the request to its answer. A camera that is not JPEG already has to be decoded first. */
const ANSWER_WITHIN = 15_000;

/** @import { Way } from './webrtc.js' */

/**
 * Shows single pictures as they come, the newest only. The heaviest way, but one that needs nothing of browser and network.
 * @implements {Way}
 */
export class MjpegWay extends EventTarget {
  told = true;
  viewer = null;
  open = false;
  #url;
  #canvas;
  #context;
  #abort = new AbortController();
  #throughput = new Throughput();
  #counts = { bytes: 0, decoded: 0, dropped: 0 };
  /** @type {import('./multipart.js').Part | null} the newest that is not shown yet */
  #next = null;
  #busy = false;

  /** @param {import('./webrtc.js').WayOptions} options */
  constructor({ url, screen }) {
    super();
    // With headers of its own each picture is whole as soon as it is there.
    this.#url = new URL('mjpeg?headers=1', url);
    this.#canvas = screen.showCanvas();
    this.#context = this.#canvas.getContext('2d', { alpha: false, desynchronized: true });
  }

  async start() {
    try {
      const timer = setTimeout(() => this.#abort.abort(new DOMException('no answer', 'TimeoutError')), ANSWER_WITHIN);
      const response = await fetch(this.#url, { signal: this.#abort.signal });
      clearTimeout(timer);
      if (!response.ok || !response.body) throw await refusal(response);
      this.open = true;
      await this.#read(response.body.getReader());
      throw new TypeError('the answer ended');
    } catch (error) {
      const ours = this.#abort.signal.aborted && !(error instanceof DOMException && error.name === 'TimeoutError');
      this.close();
      if (!ours) this.dispatchEvent(new CustomEvent('failed', { detail: failure(error) }));
    }
  }

  close() {
    this.#abort.abort();
    this.#next = null;
  }

  async stats() {
    const { bytes, decoded, dropped } = this.#counts;
    const { width, height } = this.#canvas;
    return { ...noStats(), bitrate: this.#throughput.rate(bytes, performance.now()), codec: 'jpeg', width, height, decoded, dropped };
  }

  /** @param {ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>} reader */
  async #read(reader) {
    const parser = new Multipart();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#counts.bytes += value.length;
      for (const part of parser.push(value)) {
        if (this.#next) this.#counts.dropped += 1;
        this.#next = part;
      }
      this.#show();
    }
  }

  async #show() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next && !this.#abort.signal.aborted) {
      const { headers, body } = this.#next;
      this.#next = null;
      const picture = await createImageBitmap(new Blob([body], { type: 'image/jpeg' })).catch(() => null);
      if (picture && !this.#abort.signal.aborted) this.#draw(picture, Number(headers.get('x-timestamp')) * 1000);
      picture?.close();
    }
    this.#busy = false;
  }

  /**
   * @param {ImageBitmap} picture
   * @param {number} captured Unix ms
   */
  #draw(picture, captured) {
    const { width, height } = picture;
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#context?.drawImage(picture, 0, 0);
    this.#counts.decoded += 1;
    const detail = { at: performance.now(), captured: captured > 0 ? captured : null, frames: this.#counts.decoded };
    this.dispatchEvent(new CustomEvent('frame', { detail }));
  }
}
