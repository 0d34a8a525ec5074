import { bytes, CaptureTimes, KIND, Lateness } from './media.js';
import { MediaSocket } from './socket.js';
import { noStats, Throughput } from './stats.js';

/**
 * @typedef {import('./webrtc.js').WayOptions} WayOptions
 * @typedef {import('./media.js').Packet} Packet
 */

/** With more frames than this in the decoder beyond what it always holds, drawing them would only make the last one later. */
const QUEUED = 2;

/** A frame later than the earliest of the last moments by this many ms is not worth drawing, wherever it waited: newer ones wait behind it. */
const BEHIND = 60;

/** The moments, in ms. */
const MOMENTS = 2000;

/** A busy machine still gets a picture this often, in ms. */
const AT_LEAST = 120;

/** With more frames than this in the decoder, a new keyframe is decoded at once and those are thrown away. */
const LATE = 15;

/** With more than this it is waited for one. */
const HOPELESS = 240;

/** Errors in a row, without a picture in between, after which the stream is taken for one that cannot be decoded here. */
const ERRORS = 3;

/** Outputs over which is found how many frames the decoder always holds. */
const OUTPUTS = 30;

/** @import { Way } from './webrtc.js' */

/**
 * Decodes access units from a WebSocket and draws them the moment they come out of the decoder. Pictures only.
 * @implements {Way}
 */
export class WebCodecsWay extends EventTarget {
  told = true;
  #socket;
  #canvas;
  #context;
  #times = new CaptureTimes();
  #throughput = new Throughput();
  /** @type {VideoDecoderConfig | null} */
  #config = null;
  /** @type {VideoDecoder | null} */
  #decoder = null;
  /** Frames in the decoder. */
  #pending = 0;
  /** @type {number[]} how many were left in the decoder when frames came out */
  #held = [];
  #awaitsKey = true;
  #errors = 0;
  #counts = { shown: 0, decoded: 0, dropped: 0 };
  /** Presentation times of frames that the server said need not be shown. @type {Set<number>} */
  #behind = new Set();
  #lateness = new Lateness(MOMENTS);
  #drawn = -Infinity;

  /** @param {WayOptions} options */
  constructor({ url, screen }) {
    super();
    this.#canvas = screen.showCanvas();
    this.#context = this.#canvas.getContext('2d', { alpha: false, desynchronized: true });
    this.#socket = new MediaSocket(new URL('ws', url), 'units', false);
    const detail = (/** @type {Event} */ event) => /** @type {CustomEvent} */ (event).detail;
    this.#socket.addEventListener('tracks', (event) => this.#configure(detail(event)));
    this.#socket.addEventListener('packet', (event) => this.#packet(detail(event)));
    this.#socket.addEventListener('skipped', () => (this.#awaitsKey = true));
    this.#socket.addEventListener('failed', (event) => this.#fail(detail(event)));
  }

  get viewer() {
    return this.#socket.viewer;
  }

  get open() {
    return this.#socket.viewer !== null;
  }

  start() {
    this.#socket.start();
  }

  close() {
    this.#socket.close();
    this.#drop();
  }

  /** @param {number} ms */
  tell(ms) {
    this.#socket.tell(ms);
  }

  async stats() {
    const { decoded, dropped } = this.#counts;
    return {
      ...noStats(),
      bitrate: this.#throughput.rate(this.#socket.bytes, performance.now()),
      codec: this.#config?.codec ?? null,
      width: this.#canvas.width,
      height: this.#canvas.height,
      decoded,
      dropped: dropped + this.#socket.skipped,
    };
  }

  /** @param {import('./media.js').Tracks} tracks */
  #configure({ tracks }) {
    const video = tracks.find((track) => track.kind === 'video');
    if (!video) return;
    this.#config = {
      codec: video.codec,
      description: video.description === null ? undefined : bytes(video.description),
      codedWidth: video.width ?? undefined,
      codedHeight: video.height ?? undefined,
      // Without this the decoder waits for another frame before it lets one out.
      optimizeForLatency: true,
    };
    this.#renew();
  }

  /** A new decoder, which needs a keyframe. */
  #renew() {
    if (!this.#config) return;
    this.#drop();
    /** @type {VideoDecoder} */
    const decoder = new VideoDecoder({
      output: (frame) => this.#output(decoder, frame),
      error: (error) => decoder === this.#decoder && this.#error(error),
    });
    this.#decoder = decoder;
    this.#awaitsKey = true;
    try {
      decoder.configure(this.#config);
    } catch (error) {
      this.#error(error);
    }
  }

  #drop() {
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = null;
    this.#counts.dropped += this.#pending;
    this.#pending = 0;
    this.#held = [];
    this.#times.clear();
    this.#behind.clear();
  }

  /** @param {Packet} packet */
  #packet(packet) {
    if (packet.kind !== KIND.picture || !this.#decoder) return;
    if (packet.key && this.#pending > LATE + this.#least()) this.#renew();
    this.#awaitsKey ||= this.#pending > HOPELESS;
    if (this.#awaitsKey && !packet.key) {
      this.#counts.dropped += 1;
      return;
    }
    this.#awaitsKey = false;
    this.#times.add(packet.pts, packet.captured);
    if (packet.behind) this.#behind.add(packet.pts);
    try {
      this.#decoder?.decode(new EncodedVideoChunk({ type: packet.key ? 'key' : 'delta', timestamp: packet.pts, data: packet.data }));
      this.#pending += 1;
    } catch (error) {
      this.#error(error);
    }
  }

  /**
   * @param {VideoDecoder} decoder
   * @param {VideoFrame} frame
   */
  #output(decoder, frame) {
    if (decoder === this.#decoder) {
      this.#pending -= 1;
      this.#counts.decoded += 1;
      this.#errors = 0;
      const least = this.#least();
      this.#held.push(this.#pending);
      if (this.#held.length > OUTPUTS) this.#held.shift();
      if (this.#worthDrawing(frame, least)) this.#draw(frame);
      else this.#counts.dropped += 1;
    }
    frame.close();
  }

  /**
   * The first picture at once, however old; what is behind the newest is not worth the time.
   * @param {VideoFrame} frame
   * @param {number} least
   */
  #worthDrawing(frame, least) {
    const now = performance.now();
    const late = this.#lateness.of(now, frame.timestamp / 1000);
    const overtaken = this.#behind.delete(frame.timestamp);
    if (!overtaken && this.#pending <= QUEUED + least && late <= BEHIND) return true;
    return (!overtaken && this.#pending === 0) || now - this.#drawn > AT_LEAST;
  }

  /** How many frames the decoder always holds: some let none out before they have several. */
  #least() {
    return this.#held.length < OUTPUTS ? 0 : Math.min(...this.#held);
  }

  /** @param {VideoFrame} frame */
  #draw(frame) {
    const { displayWidth: width, displayHeight: height } = frame;
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#context?.drawImage(frame, 0, 0, width, height);
    this.#counts.shown += 1;
    this.#drawn = performance.now();
    const detail = { at: this.#drawn, captured: this.#times.of(frame.timestamp, 0), frames: this.#counts.shown };
    this.dispatchEvent(new CustomEvent('frame', { detail }));
  }

  /** @param {unknown} error */
  #error(error) {
    this.#errors += 1;
    const unsupported = error instanceof DOMException && error.name === 'NotSupportedError';
    if (unsupported || this.#errors >= ERRORS) {
      this.#fail({ kind: 'media', message: `this browser cannot decode ${this.#config?.codec} itself`, elsewhere: true });
    } else {
      this.#renew();
    }
  }

  /** @param {import('./failure.js').Failure} detail */
  #fail(detail) {
    this.close();
    this.dispatchEvent(new CustomEvent('failed', { detail }));
  }
}
