/** Exponential back-off with jitter, so that many pages do not knock on a restarted server in one beat. */
export class Backoff {
  #first;
  #cap;
  #random;
  #failures = 0;

  /**
   * @param {{ first?: number, cap?: number, random?: () => number }} [options] First and largest delay in ms, and a
   *   source of numbers in [0, 1).
   */
  constructor({ first = 250, cap = 5000, random = Math.random } = {}) {
    this.#first = first;
    this.#cap = cap;
    this.#random = random;
  }

  /** Counts a failure and returns the delay in ms before the next attempt: between half and all of the current step. */
  next() {
    const step = Math.min(this.#cap, this.#first * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return step * (0.5 + 0.5 * this.#random());
  }

  /** How often it failed since the last success. */
  get failures() {
    return this.#failures;
  }

  /** Forgets all failures after a success. */
  reset() {
    this.#failures = 0;
  }
}
