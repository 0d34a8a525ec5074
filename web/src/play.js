import { Backoff } from './backoff.js';
import { ClockOffset, LatencyMeter } from './latency.js';
import { FrameRate, noStats } from './stats.js';
import { Choice } from './ways.js';
import { WebRtcWay } from './webrtc.js';

/**
 * @typedef {import('./failure.js').Failure} Failure
 * @typedef {import('./latency.js').Reading} Reading
 * @typedef {import('./screen.js').Screen} Screen
 * @typedef {import('./webrtc.js').Way} Way
 * @typedef {import('./webrtc.js').Shown} Shown
 * @typedef {import('./ways.js').WayName} WayName
 *
 * @typedef {object} PlayerState
 * @property {'stopped' | 'connecting' | 'connected' | 'waiting' | 'blocked'} phase `waiting` for the next attempt;
 *   `blocked` until the viewer touches the page, because the browser forbids playing by itself
 * @property {Failure | null} failure why the last session ended
 * @property {number | null} retryAt local time of the next attempt, while waiting
 *
 * @typedef {object} LinkState what the server knows of the link to this viewer
 * @property {boolean} limited it carries less than the stream
 * @property {number | null} estimate bit/s
 * @property {number | null} needed bit/s
 */

/** No frame for this long, although the camera is live: the session is dead, whatever it says of itself. */
const NO_FRAMES = 4000;

/** Pictures flow while the newest is younger than this. */
const FLOWING = 1500;

/** How often the server is asked about the link to this viewer. */
const ASK_EVERY = 5000;

/** What is not needed at once is not loaded at once. Values make sessions. @type {Record<WayName, () => Promise<new (o: import('./webrtc.js').WayOptions) => Way & EventTarget>>} */
const MODULES = {
  webrtc: async () => WebRtcWay,
  webcodecs: async () => (await import('./webcodecs.js')).WebCodecsWay,
  mse: async () => (await import('./mse.js')).MseWay,
  hls: async () => (await import('./hls.js')).HlsWay,
  mjpeg: async () => (await import('./mjpeg.js')).MjpegWay,
};

/**
 * Plays one camera on a screen, and keeps at it for ever: a session that fails is followed by another, by the same way or the
 * next best, sooner or later by back-off, at once after `retry`.
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
  /** @type {LinkState | null} */
  link = null;

  #screen;
  #url;
  #choice;
  #audio = false;
  #sound = '';
  #meter;
  #rate = new FrameRate();
  #backoff = new Backoff();
  /** @type {(Way & EventTarget) | null} */
  #session = null;
  /** Of the session that is being made, too. */
  #turn = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #pulse;
  #stats = noStats();
  /** Whether the camera delivers frames, as far as the owner of this player knows. */
  #cameraLive = false;
  /** ms between two frames of the camera */
  #interval = 0;
  /** Local time since which frames are due for decoding; decoding goes on when the page is hidden. */
  #dueSince = 0;
  /** Local time since which frames are due on the screen. */
  #lastShown = 0;
  #asked = 0;

  /**
   * @param {Screen} screen
   * @param {object} options
   * @param {URL | string} options.url of the camera: `…/live/CAMERA/`
   * @param {ClockOffset} [options.clock] the server's clock, for the latency
   * @param {WayName | null} [options.mode] this way of playing and no other
   * @param {import('./ways.js').Learned} [options.learned] shared by all players of a page
   */
  constructor(screen, { url, clock = new ClockOffset(), mode = null, learned }) {
    super();
    this.#screen = screen;
    this.#url = new URL(url);
    this.#meter = new LatencyMeter(clock);
    this.#choice = new Choice({ forced: mode, learned });
    screen.addEventListener('blocked', () => this.#session && this.#say({ phase: 'blocked', failure: null, retryAt: null }));
  }

  /** Whether sound is asked for. */
  get audio() {
    return this.#audio;
  }

  /** By which way it plays or tries to. */
  get way() {
    return this.#choice.way;
  }

  /** Plays, now and for ever. Does nothing if it plays already. */
  start() {
    if (this.state.phase === 'stopped') this.#begin();
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
    if (this.state.phase === 'blocked') this.#screen.play();
  }

  /**
   * Tells what the camera does: while it is live, a session without frames is replaced.
   * @param {boolean} live
   * @param {number} [fps] of the camera
   * @param {string} [sound] codec of the camera's sound, if it has any
   */
  expect(live, fps = 0, sound = '') {
    this.#cameraLive = live;
    this.#sound = sound;
    this.#interval = fps > 0 ? Math.min(1000 / fps, 60_000) : 0;
  }

  /** Whether pictures are being shown. */
  get flowing() {
    if (!this.hasPicture) return false;
    const last = this.#session?.told ? this.#lastShown : this.#dueSince;
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
    this.#screen.video.muted = !on;
    if (this.state.phase !== 'stopped') this.#begin();
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
    const seen = { phase, failure, way: this.#choice.words, link: this.link };
    return { ...this.#stats, ...seen, fps: this.#rate.rate(performance.now()), latency: this.latency() };
  }

  #begin() {
    this.#choice.restart(this.#audio ? this.#sound : '', performance.now());
    this.#connect();
  }

  async #connect() {
    this.#hangUp();
    const turn = this.#turn;
    this.#dueSince = performance.now();
    this.#say({ phase: 'connecting', failure: this.state.failure, retryAt: null });
    try {
      const Session = await MODULES[this.#choice.way]();
      if (turn === this.#turn) this.#open(Session);
    } catch (error) {
      if (turn === this.#turn) this.#failed({ kind: 'network', message: `The server cannot be reached: ${error}` });
    }
  }

  /** @param {new (options: import('./webrtc.js').WayOptions) => Way & EventTarget} Session */
  #open(Session) {
    const session = new Session({ url: this.#url, screen: this.#screen, audio: this.#audio });
    this.#session = session;
    const detail = (/** @type {Event} */ event) => /** @type {CustomEvent} */ (event).detail;
    session.addEventListener('frame', (event) => session === this.#session && this.#frame(session, detail(event)));
    session.addEventListener('failed', (event) => session === this.#session && this.#failed(detail(event)));
    this.#pulse = setInterval(() => this.#measure(session), 1000);
    session.start();
  }

  #hangUp() {
    this.#turn += 1;
    clearTimeout(this.#retry);
    clearInterval(this.#pulse);
    const session = this.#session;
    this.#session = null;
    session?.close();
    if (session) this.#screen.leave(this.hasPicture);
    this.#stats = noStats();
    this.#meter.clear();
    this.#rate = new FrameRate();
    this.hasPicture = false;
    this.link = null;
  }

  /** @param {Failure} failure */
  #failed(failure) {
    const another = this.#choice.failed(failure, performance.now());
    this.#hangUp();
    const delay = another ? 0 : Math.max(this.#backoff.next(), Math.min(failure.retryAfter ?? 0, 30_000));
    this.#retry = setTimeout(() => this.#connect(), delay);
    this.#say({ phase: 'waiting', failure, retryAt: performance.now() + delay });
  }

  /**
   * @param {Way} session
   * @param {Shown} frame
   */
  #frame(session, { at, captured, frames }) {
    this.#lastShown = at;
    if (session.told) this.#rate.mark(at, frames);
    const reading = this.#meter.frame(at, captured);
    if (reading) session.tell?.(reading.ms);
    if (!this.hasPicture) this.#firstPicture();
    this.dispatchEvent(new CustomEvent('frame', { detail: reading }));
  }

  #firstPicture() {
    this.hasPicture = true;
    this.#choice.worked();
    this.#backoff.reset();
    this.#say({ phase: 'connected', failure: null, retryAt: null });
  }

  /** @param {Way} session */
  async #measure(session) {
    const before = this.#stats.decoded;
    const stats = await session.stats();
    if (session !== this.#session) return;
    this.#stats = stats;
    const now = performance.now();
    // A hidden page shows no frames but still decodes them.
    if (stats.decoded > before || !this.#cameraLive || !session.open) this.#dueSince = now;
    if (now - this.#dueSince > Math.max(NO_FRAMES, 4 * this.#interval)) {
      this.#failed({ kind: 'media', message: 'The camera is live, but its picture does not get through to you.' });
    }
    this.dispatchEvent(new Event('stats'));
    await this.#askForLink(session, now);
  }

  /**
   * Asks the server now and then what it knows of the way to this viewer: only it sees what does not arrive.
   * @param {Way} session
   * @param {number} now
   */
  async #askForLink(session, now) {
    if (!session.viewer || now - this.#asked < ASK_EVERY) return;
    this.#asked = now;
    const url = new URL(`../../api/v1/viewers/${session.viewer}`, this.#url);
    const known = await fetch(url).then((response) => (response.ok ? response.json() : null), () => null);
    if (session !== this.#session || !known) return;
    this.link = { limited: known.link_limited, estimate: known.estimate, needed: known.needed };
  }

  /** @param {PlayerState} state */
  #say(state) {
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }
}
