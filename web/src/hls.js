import { LiveBuffer, mediaSource } from './buffer.js';
import { failure, refusal } from './failure.js';
import { mediaPlaylist, variant } from './playlist.js';
import { noStats, Throughput } from './stats.js';

/**
 * @typedef {import('./playlist.js').Part} Part
 * @typedef {import('./playlist.js').MediaPlaylist} MediaPlaylist
 */

/** Parts come several frames at a time, over requests of their own. */
const GOALS = { least: 0.035, most: 1, behind: 0.8, window: 600, fastest: 1.5 };

/** A blocking request that is not answered for so long never will be. */
const ANSWER_WITHIN = 20_000;

/** @import { Way } from './webrtc.js' */

/**
 * Plays low-latency HLS: by the browser itself where it can and has nothing better, else part by part.
 * @implements {Way}
 */
export class HlsWay extends EventTarget {
  told = true;
  viewer = null;
  open = false;
  #index;
  #screen;
  #abort = new AbortController();
  #throughput = new Throughput();
  #bytes = 0;
  /** @type {LiveBuffer | null} */
  #buffer = null;
  #mime = '';
  /** The init segment that the buffer has. */
  #map = '';
  /** @type {string[]} parts that were asked for already, newest last */
  #asked = [];
  /** The part that was added last, and where the buffer ended with it. */
  #last = '';
  #end = { uri: '', at: 0 };
  /** Capture time of the file's time zero, Unix ms. @type {number | null} */
  #zero = null;

  /** @param {import('./webrtc.js').WayOptions} options */
  constructor({ url, screen }) {
    super();
    this.#index = new URL('index.m3u8', url);
    this.#screen = screen;
  }

  async start() {
    try {
      if (mediaSource()) await this.#play();
      else this.#native();
    } catch (error) {
      const ours = this.#abort.signal.aborted;
      this.close();
      if (!ours) this.dispatchEvent(new CustomEvent('failed', { detail: failure(error) }));
    }
  }

  close() {
    this.#abort.abort();
    this.#buffer?.close();
    this.#buffer = null;
  }

  async stats() {
    const { video } = this.#screen;
    const quality = video.getVideoPlaybackQuality?.();
    return {
      ...noStats(),
      bitrate: this.#bytes ? this.#throughput.rate(this.#bytes, performance.now()) : null,
      bufferMs: this.#buffer ? this.#buffer.ahead * 1000 : null,
      codec: /codecs="(.*)"/.exec(this.#mime)?.[1] ?? null,
      width: video.videoWidth,
      height: video.videoHeight,
      decoded: quality?.totalVideoFrames ?? 0,
      dropped: quality?.droppedVideoFrames ?? 0,
    };
  }

  /** The browser's own player, which tells the capture time as the date of the file's beginning. */
  #native() {
    const video = /** @type {HTMLVideoElement & { getStartDate?: () => Date }} */ (this.#screen.video);
    this.#show(() => video.getStartDate?.().getTime() ?? null);
    video.addEventListener('error', () => this.#fail('the browser cannot play this stream'), { once: true });
    video.src = this.#index.href;
    this.open = true;
    this.#screen.play();
  }

  async #play() {
    const master = variant(await (await this.#get(this.#index)).text());
    this.open = true;
    if (!master) throw new Error('the playlist names no stream');
    this.#mime = `video/mp4; codecs="${master.codecs}"`;
    if (!mediaSource().isTypeSupported(this.#mime)) throw new Error(this.#mime);
    this.#show(() => this.#zero);
    const url = new URL(master.uri, this.#index);
    // One that asks for nothing waits for a keyframe at the right place; here any segment will do.
    const now = new URL(url);
    now.searchParams.set('_HLS_msn', '0');
    let playlist = mediaPlaylist(await (await this.#get(now, 'no-store')).text());
    const first = playlist.parts.findLastIndex((part) => part.independent);
    if (first < 0) throw new Error('the playlist has no part to begin with');
    let parts = playlist.parts.slice(first);
    /** @type {Promise<void>} */
    let appended = Promise.resolve();
    for (;;) {
      const hinted = playlist.hint && !this.#asked.includes(playlist.hint) ? playlist.hint : null;
      for (const part of parts) appended = this.#fetch(url, part, appended);
      const before = appended;
      if (hinted) appended = this.#fetch(url, { uri: hinted, map: playlist.map }, appended);
      // A part that fails ends all: the catch of `start` hears of it here.
      [playlist] = await Promise.all([this.#reload(url, playlist), before]);
      if (playlist.ended) throw new TypeError('the stream ended');
      this.#learn(playlist.parts);
      const known = playlist.parts.findLastIndex((part) => this.#asked.includes(part.uri));
      parts = known < 0 ? playlist.parts.slice(playlist.parts.findLastIndex((part) => part.independent)) : playlist.parts.slice(known + 1);
    }
  }

  /**
   * The playlist as soon as it has one part more.
   * @param {URL} url
   * @param {MediaPlaylist} playlist
   */
  async #reload(url, { next }) {
    const asked = new URL(url);
    asked.searchParams.set('_HLS_msn', String(next.msn));
    asked.searchParams.set('_HLS_part', String(next.part));
    return mediaPlaylist(await (await this.#get(asked)).text());
  }

  /**
   * Asks for a part at once, and appends it when those before it have been.
   * @param {URL} url of the playlist
   * @param {Pick<Part, 'uri' | 'map'>} part
   * @param {Promise<void>} before
   */
  #fetch(url, part, before) {
    this.#asked = [...this.#asked.slice(-50), part.uri];
    const body = this.#get(new URL(part.uri, url)).then((response) => response.arrayBuffer());
    const done = this.#append(url, part, body, before);
    // Whoever waits hears of the failure; nobody may be waiting yet.
    done.catch(() => {});
    return done;
  }

  /**
   * @param {URL} url
   * @param {Pick<Part, 'uri' | 'map'>} part
   * @param {Promise<ArrayBuffer>} body
   * @param {Promise<void>} before
   */
  async #append(url, part, body, before) {
    const [data] = await Promise.all([body, before]);
    if (part.map !== this.#map) await this.#renew(url, part.map);
    this.#bytes += data.byteLength;
    this.#buffer?.append(data);
    this.#last = part.uri;
  }

  /**
   * Another init segment begins a file of its own.
   * @param {URL} url
   * @param {string} map
   */
  async #renew(url, map) {
    const init = await (await this.#get(new URL(map, url))).arrayBuffer();
    this.#map = map;
    this.#zero = null;
    this.#buffer?.close();
    this.#buffer = new LiveBuffer(this.#screen.video, this.#mime, GOALS);
    this.#buffer.addEventListener('failed', (event) => this.#fail(/** @type {CustomEvent} */ (event).detail));
    this.#buffer.addEventListener('added', () => (this.#end = { uri: this.#last, at: this.#buffer?.end ?? 0 }));
    this.#buffer.append(init);
    this.#screen.play();
  }

  /**
   * The part that was added last, and so its capture time, ends where the buffer ends.
   * @param {Part[]} parts
   */
  #learn(parts) {
    const part = parts.findLast(({ uri }) => uri === this.#end.uri);
    if (part?.captured && part.map === this.#map) this.#zero = part.captured + (part.duration - this.#end.at) * 1000;
  }

  /** @param {() => number | null} zero capture time of the file's time zero */
  #show(zero) {
    this.told = this.#screen.showVideo(({ mediaTime, presentedFrames: frames }) => {
      const begun = zero();
      this.#say(begun === null || Number.isNaN(begun) ? null : begun + mediaTime * 1000, frames);
    });
    if (!this.told) this.#screen.video.addEventListener('loadeddata', () => this.#say(null, 0), { once: true });
  }

  /**
   * @param {number | null} captured
   * @param {number} frames
   */
  #say(captured, frames) {
    this.dispatchEvent(new CustomEvent('frame', { detail: { at: performance.now(), captured, frames } }));
  }

  /**
   * @param {URL} url
   * @param {RequestCache} [cache]
   */
  async #get(url, cache) {
    const response = await fetch(url, { cache, signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(ANSWER_WITHIN)]) });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** @param {string} message */
  #fail(message) {
    if (this.#abort.signal.aborted) return;
    this.close();
    this.dispatchEvent(new CustomEvent('failed', { detail: { kind: 'media', message, elsewhere: true } }));
  }
}
