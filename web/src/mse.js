import { LiveBuffer, mediaSource } from './buffer.js';
import { CaptureTimes, KIND } from './media.js';
import { MediaSocket } from './socket.js';
import { noStats, Throughput } from './stats.js';

/**
 * @typedef {import('./webrtc.js').WayOptions} WayOptions
 * @typedef {import('./media.js').Packet} Packet
 */

/** With sound the buffer has to hold both, and sound that stutters is worse than sound that is late. */
const WITH_SOUND = { least: 0.08, most: 0.8, fastest: 1.1 };

/** @import { Way } from './webrtc.js' */

/**
 * Plays fragments of MP4 from a WebSocket by Media Source Extensions.
 * @implements {Way}
 */
export class MseWay extends EventTarget {
  told = true;
  #socket;
  #screen;
  #audio;
  #times = new CaptureTimes();
  #throughput = new Throughput();
  /** @type {LiveBuffer | null} */
  #buffer = null;
  /** @type {import('./media.js').Tracks | null} */
  #tracks = null;

  /** @param {WayOptions} options */
  constructor({ url, screen, audio }) {
    super();
    this.#screen = screen;
    this.#audio = audio;
    this.#socket = new MediaSocket(new URL('ws', url), 'fmp4', audio);
    const detail = (/** @type {Event} */ event) => /** @type {CustomEvent} */ (event).detail;
    this.#socket.addEventListener('tracks', (event) => this.#begin(detail(event)));
    this.#socket.addEventListener('packet', (event) => this.#packet(detail(event)));
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
    this.#buffer?.close();
    this.#buffer = null;
  }

  /** @param {number} ms */
  tell(ms) {
    this.#socket.tell(ms);
  }

  async stats() {
    const { video } = this.#screen;
    const quality = video.getVideoPlaybackQuality?.();
    return {
      ...noStats(),
      bitrate: this.#throughput.rate(this.#socket.bytes, performance.now()),
      bufferMs: this.#buffer ? this.#buffer.ahead * 1000 : null,
      codec: this.#tracks?.tracks.map((track) => track.codec).join(', ') ?? null,
      width: video.videoWidth,
      height: video.videoHeight,
      decoded: quality?.totalVideoFrames ?? 0,
      dropped: (quality?.droppedVideoFrames ?? 0) + this.#socket.skipped,
    };
  }

  /**
   * Other tracks begin a file of their own.
   * @param {import('./media.js').Tracks} tracks
   */
  #begin(tracks) {
    if (!mediaSource().isTypeSupported(tracks.mime)) {
      this.#fail({ kind: 'media', message: `this browser does not play ${tracks.mime}`, elsewhere: true });
      return;
    }
    this.#buffer?.close();
    this.#times.clear();
    this.#tracks = tracks;
    const sound = this.#audio && tracks.tracks.some((track) => track.kind === 'audio');
    this.told = this.#screen.showVideo((frame) => this.#frame(frame));
    this.#buffer = new LiveBuffer(this.#screen.video, tracks.mime, sound ? WITH_SOUND : {});
    this.#buffer.addEventListener('failed', (event) => {
      this.#fail({ kind: 'media', message: /** @type {CustomEvent} */ (event).detail });
    });
    if (!this.told) this.#screen.video.addEventListener('loadeddata', () => this.#say(null, 0), { once: true });
    this.#screen.play();
  }

  /** @param {Packet} packet */
  #packet(packet) {
    const picture = packet.kind === KIND.fragment && packet.track === this.#tracks?.tracks.find((t) => t.kind === 'video')?.id;
    if (picture) this.#times.add(packet.pts, packet.captured);
    this.#buffer?.append(packet.data, !packet.behind);
  }

  /** @param {VideoFrameCallbackMetadata} frame */
  #frame({ mediaTime, presentedFrames }) {
    this.#say(this.#times.of(mediaTime * 1e6), presentedFrames);
  }

  /**
   * @param {number | null} captured
   * @param {number} frames
   */
  #say(captured, frames) {
    this.dispatchEvent(new CustomEvent('frame', { detail: { at: performance.now(), captured, frames } }));
  }

  /** @param {import('./failure.js').Failure} detail */
  #fail(detail) {
    this.close();
    this.dispatchEvent(new CustomEvent('failed', { detail }));
  }
}
