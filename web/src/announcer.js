/** A camera that flaps is spoken of once it has settled this long. */
const SETTLED = 1500;

/** More news than this at once is told in numbers. */
const MANY = 4;

/**
 * Tells people who listen to the page what changed: politely, all changes in one sentence, and nothing that is
 * over before it is said.
 */
export class Announcer {
  #region;
  /** @type {Map<string, string>} */
  #said = new Map();
  /** @type {Map<string, string>} */
  #now = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} region with `role="status"` */
  constructor(region) {
    this.#region = region;
  }

  /**
   * @param {string} subject whose state it is
   * @param {string} state one word, and why after a comma; nothing that changes by the second
   */
  update(subject, state) {
    if (this.#now.get(subject) === state) return;
    this.#now.set(subject, state);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#speak(), SETTLED);
  }

  /**
   * Forgets all others.
   * @param {{ has: (subject: string) => boolean }} subjects
   */
  keep(subjects) {
    for (const states of [this.#now, this.#said]) {
      for (const subject of states.keys()) if (!subjects.has(subject)) states.delete(subject);
    }
  }

  #speak() {
    const news = [...this.#now].filter(([subject, state]) => this.#said.get(subject) !== state);
    if (news.length > 0) this.#region.textContent = news.length > MANY ? this.#count() : list(news);
    this.#said = new Map(this.#now);
  }

  /** How many are in which state. */
  #count() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const state of this.#now.values()) {
      const word = state.split(',')[0];
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
  }
}

/** @param {[string, string][]} news */
function list(news) {
  return news.map(([subject, state]) => `${subject}: ${state}`).join('. ');
}
