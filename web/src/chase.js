/**
 * Holds a `<video>` that plays from a buffer at the live edge, with as little in the buffer as the link allows.
 *
 * What counts is how little was left in the buffer whenever something new arrived: the least of it over the last moments
 * is time by which every frame is shown later than it could be. It is held at a goal of some tens of milliseconds by playing a
 * little faster or slower; a stall raises the goal, quiet lowers it again. Too far behind, it jumps.
 */

/** @typedef {{ rate: number, seek: number | null }} Move how to go on: speed, and a place to jump to, in seconds */

/**
 * @typedef {object} Goals
 * @property {number} least seconds left in the buffer when something arrives
 * @property {number} most the same after many stalls
 * @property {number} behind seconds beyond the goal from which on it jumps
 * @property {number} window ms over which the least is taken
 * @property {number} fastest speed
 */

/** For frames that come one by one. */
const GOALS = { least: 0.01, most: 0.4, behind: 0.5, window: 400, fastest: 3 };

/** What a stall adds to the goal, in seconds, and what a quiet second takes off it again. */
const PENALTY = 0.006;
const RELIEF = 0.001;

/** Further behind what is played than by this, in seconds, what arrives says nothing of the link: all stood still, but for the clock. */
const BEHIND_THE_CLOCK = 0.1;

/** Seconds that arrive at once: what was in the buffer before is no measure for what is in it now. */
const BURST = 0.3;

/** A jump needs a moment to take effect. */
const JUMP_EVERY = 250;

/** Speeds by how far (in seconds) the buffer is from its goal. Nobody sees 3 % of speed; beyond 50 ms being live matters more. */
const FASTER = [[0.2, 3], [0.1, 2], [0.05, 1.4], [0.03, 1.15], [0.012, 1.03], [0.004, 1.01]];
const SLOWER = [[0.02, 0.9], [0.008, 0.97], [0.003, 0.99]];

export class Chase {
  #goals;
  #goal;
  /** @type {{ at: number, left: number }[]} */
  #lows = [];
  #jumped = -Infinity;
  #relieved = 0;

  /** @param {Partial<Goals>} [goals] */
  constructor(goals = {}) {
    this.#goals = { ...GOALS, ...goals };
    this.#goal = this.#goals.least;
  }

  /** What is to be left in the buffer when something arrives, in seconds. */
  get goal() {
    return this.#goal;
  }

  /**
   * Something has arrived.
   * @param {number} now local time in ms
   * @param {number} position being shown, in seconds
   * @param {number} before where the buffer ended before, in seconds
   * @param {number} end where it ends now, in seconds
   * @returns {Move}
   */
  arrived(now, position, before, end) {
    this.#lows = this.#lows.filter((low) => now - low.at < this.#goals.window);
    if (end - before > BURST) this.restart();
    else if (before - position > -BEHIND_THE_CLOCK) this.#lows.push({ at: now, left: before - position });
    this.#relieve(now);
    const step = end - before;
    if (end - position > this.#goal + step + this.#goals.behind && now - this.#jumped > JUMP_EVERY) {
      return this.#jump(now, Math.max(end - this.#goal - Math.min(step, 0.05), 0));
    }
    return { rate: this.#rate(), seek: null };
  }

  /**
   * The picture stood still because the buffer was empty.
   */
  stalled() {
    this.#goal = Math.min(this.#goal + PENALTY, this.#goals.most);
  }

  /** Forgets what was: something else is played, or the place was changed. */
  restart() {
    this.#lows = [];
  }

  /** @param {number} now */
  #relieve(now) {
    const seconds = Math.max(0, Math.min((now - this.#relieved) / 1000, 1));
    this.#relieved = now;
    this.#goal = Math.max(this.#goals.least, this.#goal - seconds * RELIEF);
  }

  /**
   * @param {number} now
   * @param {number} seek
   */
  #jump(now, seek) {
    this.#jumped = now;
    this.restart();
    return { rate: 1, seek };
  }

  #rate() {
    if (this.#lows.length === 0) return 1;
    const least = Math.min(...this.#lows.map((low) => low.left));
    const over = least - this.#goal;
    const faster = FASTER.find(([distance]) => over > distance);
    const slower = SLOWER.find(([distance]) => -over > distance);
    return Math.min((faster ?? slower ?? [0, 1])[1], this.#goals.fastest);
  }
}
