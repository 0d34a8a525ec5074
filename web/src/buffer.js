import { Chase } from './chase.js';

/** Seconds kept behind the picture. */
const KEEP = 8;

/** More than this in seconds behind the picture is removed. */
const REMOVE_AT = 20;

/** Pieces that may wait while the browser is busy; more means that it never will be ready. */
const MOST_WAITING = 3000;

/**
 * Plays pieces of MP4 in a `<video>` by Media Source Extensions, and stays at the live edge.
 *
 * Events: `added` when all that was given is there, `failed` (CustomEvent with a message).
 */
export class LiveBuffer extends EventTarget {
  #video;
  #source;
  #chase;
  /** @type {SourceBuffer | null} */
  #buffer = null;
  /** @type {BufferSource[]} */
  #waiting = [];
  /** Where the buffer ended before what is being added. */
  #before = 0;
  /** Whether what was given last is the newest there is. */
  #live = true;
  #closed = false;
  #onWaiting = () => this.#ranDry();
  #onError = () => this.#fail('the browser cannot play these pictures');

  /**
   * @param {HTMLVideoElement} video
   * @param {string} mime
   * @param {Partial<import('./chase.js').Goals>} [goals]
   */
  constructor(video, mime, goals) {
    super();
    this.#video = video;
    this.#chase = new Chase(goals);
    const Source = mediaSource();
    this.#source = new Source();
    this.#source.addEventListener('sourceopen', () => this.#opened(mime), { once: true });
    video.src = URL.createObjectURL(this.#source);
    video.addEventListener('waiting', this.#onWaiting);
    video.addEventListener('error', this.#onError);
  }

  /** Seconds of picture that are there and were not shown yet. */
  get ahead() {
    return Math.max(0, this.end - this.#video.currentTime);
  }

  /** Where it ends, in seconds of the file. */
  get end() {
    const { buffered } = this.#video;
    return buffered.length > 0 ? buffered.end(buffered.length - 1) : 0;
  }

  /**
   * @param {BufferSource} piece
   * @param {boolean} [live] whether there is nothing newer
   */
  append(piece, live = true) {
    this.#waiting.push(piece);
    this.#live = live;
    if (this.#waiting.length > MOST_WAITING) this.#fail('the browser takes no more pictures');
    this.#pump();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = [];
    this.#video.removeEventListener('waiting', this.#onWaiting);
    this.#video.removeEventListener('error', this.#onError);
    this.#video.playbackRate = 1;
    URL.revokeObjectURL(this.#video.src);
  }

  /** @param {string} mime */
  #opened(mime) {
    if (this.#closed) return;
    try {
      this.#buffer = this.#source.addSourceBuffer(mime);
      this.#buffer.addEventListener('updateend', () => this.#added());
      this.#buffer.addEventListener('error', this.#onError);
      this.#pump();
    } catch (error) {
      this.#fail(String(error));
    }
  }

  /** Everything that waits is added at once: after a pause a hundred small additions would take too long. */
  #pump() {
    const buffer = this.#buffer;
    if (this.#closed || !buffer || buffer.updating || this.#waiting.length === 0 || this.#source.readyState !== 'open') return;
    this.#before = this.end;
    const pieces = this.#waiting;
    this.#waiting = [];
    try {
      buffer.appendBuffer(pieces.length === 1 ? pieces[0] : joined(pieces));
    } catch (error) {
      if (error instanceof DOMException && error.name === 'QuotaExceededError' && this.#makeRoom(1)) this.#waiting = pieces;
      else this.#fail(String(error));
    }
  }

  #added() {
    if (this.#closed) return;
    this.#follow();
    if (this.#waiting.length === 0) this.dispatchEvent(new Event('added'));
    if (!this.#makeRoom(REMOVE_AT)) this.#pump();
  }

  #follow() {
    const video = this.#video;
    const ranges = video.buffered;
    const last = ranges.length - 1;
    if (last < 0) return;
    const [begin, end] = [ranges.start(last), ranges.end(last)];
    if (video.currentTime < begin) {
      // The picture is in front of a hole, or nothing was shown yet.
      this.#seek(begin);
      return;
    }
    const before = Math.max(this.#before, begin);
    // A jump to what is not the end would be followed by another.
    if (end <= before || !this.#live) return;
    const { rate, seek } = this.#chase.arrived(performance.now(), video.currentTime, before, end);
    if (seek !== null) this.#seek(Math.max(begin, seek));
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }

  /** @param {number} to */
  #seek(to) {
    this.#chase.restart();
    this.#video.currentTime = to;
  }

  /**
   * Removes what was shown long ago; true if it does.
   * @param {number} most seconds that may be there
   */
  #makeRoom(most) {
    const { buffered, currentTime } = this.#video;
    if (!this.#buffer || this.#buffer.updating || buffered.length === 0 || currentTime - buffered.start(0) < most) return false;
    const until = currentTime - Math.min(KEEP, most / 2);
    if (until <= buffered.start(0)) return false;
    this.#buffer.remove(0, until);
    return true;
  }

  #ranDry() {
    // A jump makes the browser wait, too, and says nothing about the link.
    if (!this.#video.seeking) this.#chase.stalled();
  }

  /** @param {string} detail */
  #fail(detail) {
    if (this.#closed) return;
    this.close();
    this.dispatchEvent(new CustomEvent('failed', { detail }));
  }
}

/** @returns {typeof MediaSource} Phones of Apple have another one, which does the same. */
export function mediaSource() {
  return /** @type {any} */ (globalThis).ManagedMediaSource ?? globalThis.MediaSource;
}

/** @param {BufferSource[]} pieces */
function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece instanceof ArrayBuffer ? new Uint8Array(piece) : new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength), at);
    at += piece.byteLength;
  }
  return whole;
}
