import { Backoff } from './backoff.js';
import { ClockOffset, LatencyMeter } from './latency.js';
import { WhepSession } from './session.js';
import { digest, FrameRate, summary } from './stats.js';

/**
 * @typedef {import('./session.js').Failure} Failure
 * @typedef {import('./latency.js').Reading} Reading
 *
 * @typedef {object} PlayerState
 * @property {'stopped' | 'connecting' | 'connected' | 'waiting' | 'blocked'} phase `waiting` for the next attempt;
 *   `blocked` until the viewer touches the page, because the browser forbids playing by itself
 * @property {Failure | null} failure why the last session ended
 * @property {number | null} retryAt local time of the next attempt, while waiting
 */

/** No frame for this long, although the camera is live: the session is dead, whatever it says of itself. */
const NO_FRAMES = 4000;

/** Pictures flow while the newest is younger than this. */
const FLOWING = 1500;

/**
 * Plays one camera in a `<video>`, and keeps at it for ever: a session that fails is followed by another, sooner or
 * later by back-off, at once after `retry`.
 *
 * A camera that goes away does not end the session: the server keeps it, and the picture goes on when the camera is back.
 *
 * Events: `state` (see `state`), `frame` (CustomEvent with a `Reading` or null), `stats` (see `stats()`).
 */
export class Player extends EventTarget {
  /** @type {PlayerState} */
  state = { phase: 'stopped', failure: null, retryAt: null };
  /** Whether a frame of the current session has been shown. */
  hasPicture = false;

  #video;
  #still;
  #url;
  #audio = false;
  #meter;
  #rate = new FrameRate();
  #backoff = new Backoff();
  /** @type {WhepSession | null} */
  #session = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #pulse;
  /** @type {ReturnType<typeof digest> | null} */
  #digest = null;
  /** @type {import('./stats.js').Stats | null} */
  #stats = null;
  /** Whether the camera delivers frames, as far as the owner of this player knows. */
  #cameraLive = false;
  /** ms between two frames of the camera */
  #interval = 0;
  /** Local time since which frames are due for decoding; decoding goes on when the page is hidden. */
  #dueSince = 0;
  /** Local time since which frames are due on the screen. */
  #lastShown = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {object} options
   * @param {URL | string} options.url the WHEP endpoint
   * @param {ClockOffset} [options.clock] the server's clock, for the latency
   * @param {HTMLCanvasElement} [options.still] gets the last picture when a session ends
   */
  constructor(video, { url, clock = new ClockOffset(), still }) {
    super();
    this.#video = video;
    this.#still = still;
    this.#url = url;
    this.#meter = new LatencyMeter(clock);
    video.muted = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
    // Being moved, a media key, leaving full screen on a phone: all pause a video, but what is live goes on.
    video.addEventListener('pause', () => this.#session && this.#play());
  }

  /** Whether sound is asked for. */
  get audio() {
    return this.#audio;
  }

  /** Plays, now and for ever. Does nothing if it plays already. */
  start() {
    if (this.state.phase === 'stopped') this.#connect();
  }

  /** Ends the session; the last picture stays. */
  stop() {
    if (this.state.phase === 'stopped') return;
    this.#hangUp();
    this.#say({ phase: 'stopped', failure: null, retryAt: null });
  }

  /** Tries again at once, if it is waiting; also lets a blocked video play when called from a click. */
  retry() {
    if (this.state.phase === 'waiting') this.#connect();
    if (this.state.phase === 'blocked') this.#play();
  }

  /**
   * Tells what the camera does: while it is live, a session without frames is replaced.
   * @param {boolean} live
   * @param {number} [fps] of the camera
   */
  expect(live, fps = 0) {
    this.#cameraLive = live;
    this.#interval = fps > 0 ? Math.min(1000 / fps, 60_000) : 0;
  }

  /** Whether pictures are being shown. */
  get flowing() {
    if (!this.hasPicture) return false;
    const noCallbacks = !this.#video.requestVideoFrameCallback;
    const last = noCallbacks ? this.#dueSince : this.#lastShown;
    return performance.now() - last < Math.max(FLOWING, 3 * this.#interval);
  }

  /** The video comes into view again: frames that were not shown in the meantime are no fault. */
  forgive() {
    this.#lastShown = performance.now();
  }

  /** Tries again at once, or replaces a session that shows nothing without waiting for the watch to notice. */
  retryIfStale() {
    const silence = performance.now() - this.#dueSince;
    if (this.#session && this.#cameraLive && silence > Math.max(FLOWING, 3 * this.#interval)) this.#connect();
    else this.retry();
  }

  /**
   * Turns sound on or off. Begins a new session, because sound is only asked for when it is heard.
   * @param {boolean} on
   */
  setAudio(on) {
    if (on === this.#audio) return;
    this.#audio = on;
    this.#video.muted = !on;
    if (this.state.phase !== 'stopped') this.#connect();
  }

  /**
   * The latency now: the median of the last second.
   * @returns {Reading | null} null where it is not known
   */
  latency() {
    return this.#meter.current(performance.now());
  }

  /** Everything measured, for people and tests. */
  stats() {
    const { phase, failure } = this.state;
    return { phase, failure, fps: this.#rate.rate(performance.now()), latency: this.latency(), ...this.#stats };
  }

  #connect() {
    this.#hangUp();
    const session = new WhepSession(this.#url, { audio: this.#audio });
    this.#session = session;
    this.#dueSince = performance.now();
    session.addEventListener('stream', () => this.#attach(session));
    session.addEventListener('failed', (event) => this.#failed(/** @type {CustomEvent<Failure>} */ (event).detail));
    this.#pulse = setInterval(() => this.#measure(session), 1000);
    this.#say({ phase: 'connecting', failure: this.state.failure, retryAt: null });
    session.start();
  }

  #hangUp() {
    clearTimeout(this.#retry);
    clearInterval(this.#pulse);
    this.#keepPicture();
    this.#session?.close();
    this.#session = this.#digest = this.#stats = null;
    this.#meter.clear();
    this.#rate = new FrameRate();
    this.hasPicture = false;
  }

  /** @param {Failure} failure */
  #failed(failure) {
    this.#hangUp();
    const delay = Math.max(this.#backoff.next(), Math.min(failure.retryAfter ?? 0, 30_000));
    this.#retry = setTimeout(() => this.#connect(), delay);
    this.#say({ phase: 'waiting', failure, retryAt: performance.now() + delay });
  }

  /** @param {WhepSession} session */
  #attach(session) {
    this.#video.srcObject = session.stream;
    this.#play();
    this.#watchFrames(session);
  }

  #play() {
    this.#video.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.#say({ phase: 'blocked', failure: null, retryAt: null });
    });
  }

  /** @param {WhepSession} session */
  #watchFrames(session) {
    if (!this.#video.requestVideoFrameCallback) {
      this.#video.addEventListener('loadeddata', () => this.#firstPicture(), { once: true });
      return;
    }
    /** @type {VideoFrameRequestCallback} */
    const onFrame = (_now, frame) => {
      if (session !== this.#session) return;
      this.#video.requestVideoFrameCallback(onFrame);
      this.#frame(session, frame);
    };
    this.#video.requestVideoFrameCallback(onFrame);
  }

  /**
   * @param {WhepSession} session
   * @param {VideoFrameCallbackMetadata} frame
   */
  #frame(session, frame) {
    // This moment, and not `expectedDisplayTime`: that is an estimate which, for one and the same stream, lies up to a screen
    // refresh before or after from one connection to the next.
    const shown = performance.now();
    this.#lastShown = shown;
    this.#rate.mark(shown, frame.presentedFrames);
    const source = session.receiver.getSynchronizationSources()[0];
    const reading = frame.rtpTimestamp === undefined ? null : this.#meter.frame(shown, frame.rtpTimestamp, source);
    if (!this.hasPicture) this.#firstPicture();
    this.dispatchEvent(new CustomEvent('frame', { detail: reading }));
  }

  #firstPicture() {
    this.hasPicture = true;
    this.#backoff.reset();
    this.#say({ phase: 'connected', failure: null, retryAt: null });
  }

  /** @param {WhepSession} session */
  async #measure(session) {
    const report = await session.stats();
    if (session !== this.#session) return;
    const now = digest(report.values(), performance.now());
    const before = this.#digest;
    this.#stats = summary(now, before);
    this.#digest = now;
    // A hidden page shows no frames but still decodes them.
    if (now.totals.decoded > (before?.totals.decoded ?? 0) || !this.#cameraLive) this.#dueSince = now.totals.at;
    if (now.totals.at - this.#dueSince > Math.max(NO_FRAMES, 4 * this.#interval)) {
      session.close();
      this.#failed({ kind: 'media', message: 'The camera is live, but its picture does not get through to you.' });
    }
    this.dispatchEvent(new Event('stats'));
  }

  /** @param {PlayerState} state */
  #say(state) {
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }

  /** Draws the picture on the canvas below the video, so that a new session does not begin with a black hole. */
  #keepPicture() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!this.#still || !this.hasPicture || !width) return;
    const scale = Math.min(1, 960 / width);
    this.#still.width = width * scale;
    this.#still.height = height * scale;
    this.#still.getContext('2d')?.drawImage(this.#video, 0, 0, this.#still.width, this.#still.height);
  }
}
