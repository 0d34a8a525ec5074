/**
 * The ways of playing, best first, and which of them to take. Pure: what the browser can do is handed in.
 *
 * @typedef {'webrtc' | 'webcodecs' | 'mse' | 'hls' | 'mjpeg'} WayName
 * @typedef {import('./failure.js').Failure} Failure
 */

/** @type {WayName[]} */
export const WAYS = ['webrtc', 'webcodecs', 'mse', 'hls', 'mjpeg'];

/** @type {Record<WayName, string>} in words */
export const NAMES = {
  webrtc: 'WebRTC',
  webcodecs: 'WebSocket, decoded by the page (WebCodecs)',
  mse: 'WebSocket (Media Source Extensions)',
  hls: 'HLS',
  mjpeg: 'single pictures (MJPEG)',
};

/** Sound that WebRTC carries, and sound that MP4 does. */
const BY_WEBRTC = ['opus', 'pcmu', 'pcma'];
const BY_MP4 = ['opus', 'aac'];

/** What is known to fail is tried again after this long. */
const REMEMBER = 300_000;

/** A way that worked before may fail this often in a row before another is tried. */
const PATIENCE = 2;

/**
 * Why a way is not possible here; empty if it is.
 * @param {WayName} way
 * @param {string} sound codec of the sound that is wanted, or empty
 * @param {Record<string, any>} env the global object
 */
export function hindrance(way, sound, env = globalThis) {
  const media = env.ManagedMediaSource ?? env.MediaSource;
  const mute = sound && !(way === 'webrtc' ? BY_WEBRTC : BY_MP4).includes(sound);
  if (mute || (sound && ['webcodecs', 'mjpeg'].includes(way))) return `it carries no ${sound} sound here`;
  switch (way) {
    case 'webrtc':
      return env.RTCPeerConnection ? '' : 'this browser has no WebRTC';
    case 'webcodecs':
      if (env.VideoDecoder) return '';
      return env.isSecureContext ? 'this browser has no WebCodecs' : 'browsers allow WebCodecs on https pages only';
    case 'mse':
      return media ? '' : 'this browser has no Media Source Extensions';
    case 'hls':
      return media || env.document?.createElement('video').canPlayType('application/vnd.apple.mpegurl') ? '' : 'this browser plays no HLS';
    default:
      return '';
  }
}

/** What all players of a page have learned about the network between them and the server. */
export class Learned {
  /** @type {Map<WayName, { message: string, until: number }>} */
  #blocked = new Map();

  /**
   * @param {WayName} way that does not get through, whatever the camera
   * @param {string} message
   * @param {number} now local time
   */
  blocked(way, message, now) {
    this.#blocked.set(way, { message, until: now + REMEMBER });
  }

  /**
   * @param {WayName} way
   * @param {number} now
   */
  why(way, now) {
    const known = this.#blocked.get(way);
    return known && known.until > now ? known.message : '';
  }

  /** The network may have changed. */
  forget() {
    this.#blocked.clear();
  }
}

/** Which way to take, as ways fail and work. */
export class Choice {
  /** @type {WayName} */
  way = 'webrtc';
  #forced;
  #learned;
  #env;
  #sound = '';
  /** @type {Map<WayName, string>} why not, of the ways that were passed over */
  #reasons = new Map();
  #worked = false;
  #strikes = 0;

  /**
   * @param {object} [options]
   * @param {WayName | null} [options.forced] this way and no other
   * @param {Learned} [options.learned]
   * @param {Record<string, any>} [options.env]
   */
  constructor({ forced = null, learned = new Learned(), env = globalThis } = {}) {
    this.#forced = forced;
    this.#learned = learned;
    this.#env = env;
  }

  /**
   * Begins with the best way there is.
   * @param {string} sound codec of the sound that is wanted, or empty
   * @param {number} now local time
   */
  restart(sound, now) {
    this.#sound = sound;
    this.#reasons.clear();
    this.#take(WAYS[0], now);
  }

  /** A picture was shown. */
  worked() {
    this.#worked = true;
    this.#strikes = 0;
  }

  /**
   * The way failed. Tells whether another was chosen that was not tried yet.
   * @param {Failure} failure
   * @param {number} now local time
   */
  failed(failure, now) {
    if (failure.kind !== 'media' && !failure.elsewhere) return false;
    this.#strikes += 1;
    if (this.#forced || (this.#worked && !failure.elsewhere && this.#strikes < PATIENCE)) return false;
    if (failure.everywhere) this.#learned.blocked(this.way, failure.message, now);
    this.#reasons.set(this.way, failure.message);
    const next = WAYS[WAYS.indexOf(this.way) + 1];
    if (next && this.#take(next, now)) return true;
    this.restart(this.#sound, now);
    return false;
  }

  /** Which way is taken, and why none that is better; for people. */
  get words() {
    const name = NAMES[this.way];
    if (this.#forced) return `${name}, as asked for`;
    const better = WAYS.slice(0, WAYS.indexOf(this.way)).filter((way) => this.#reasons.has(way));
    const reasons = better.map((way) => `${NAMES[way]}: ${this.#reasons.get(way)}`.replace(/\.$/, ''));
    return reasons.length > 0 ? `${name}. Not by ${reasons.join('; not by ')}.` : name;
  }

  /**
   * Takes the first way from `from` on that may work; false if there is none.
   * @param {WayName} from
   * @param {number} now
   */
  #take(from, now) {
    this.#worked = false;
    this.#strikes = 0;
    if (this.#forced) {
      this.way = this.#forced;
      return true;
    }
    for (const way of WAYS.slice(WAYS.indexOf(from))) {
      const why = hindrance(way, this.#sound, this.#env) || this.#learned.why(way, now);
      if (!why) {
        this.way = way;
        return true;
      }
      this.#reasons.set(way, why);
    }
    return false;
  }
}

/**
 * The way that a person or page asks for by its name; null for the best.
 * @param {string | null} name
 * @returns {WayName | null}
 */
export function wayNamed(name) {
  return WAYS.find((way) => way === name?.toLowerCase()) ?? null;
}
