import { make, write } from './dom.js';
import { latencyWords, linkWords, restartWords } from './words.js';

/**
 * @typedef {import('./live.js').Camera} Camera
 * @typedef {ReturnType<import('./play.js').Player['stats']>} Stats
 */

/**
 * Names and values for the panel and for a message to whoever helps.
 * @param {Camera} camera
 * @param {Stats} stats
 * @returns {[string, string][]}
 */
export function rows(camera, stats) {
  const latency = latencyWords(stats.latency, camera.capture_clock);
  const number = (/** @type {number | null | undefined} */ value, unit = '') => (value == null ? 'unknown' : `${Math.round(value)}${unit}`);
  const known = (/** @type {number | null | undefined} */ value, unit = '') => (value == null ? '' : number(value, unit));
  const video = camera.tracks?.find((track) => track.kind === 'video');
  /** @type {[string, string][]} */
  const all = [
    ['Capture to screen', latency.text],
    ['Played by', stats.way],
    ['Your link', linkWords(stats.link)],
    ['Frames shown', `${stats.fps.toFixed(1)} of ${camera.fps?.toFixed(1) ?? '?'} fps`],
    ['Picture', `${stats.width ?? video?.width ?? '?'} × ${stats.height ?? video?.height ?? '?'}`],
    ['Codec', camera.tracks?.map((track) => track.codec).join(', ') || stats.codec || 'unknown'],
    ['Bitrate', stats.bitrate == null ? 'unknown' : `${(stats.bitrate / 1e6).toFixed(2)} Mbit/s`],
    ['Packets lost', known(stats.lost)],
    ['Packets repaired', known(stats.repaired)],
    ['Repair requests', known(stats.nacks)],
    ['Frames dropped', number(stats.dropped)],
    ['Freezes', stats.freezes == null ? '' : `${stats.freezes} (${(stats.frozenFor ?? 0).toFixed(1)} s)`],
    ['Held back by browser', known(stats.bufferMs, ' ms')],
    ['Round trip', known(stats.rtt, ' ms')],
    ['Viewers', number(camera.viewers)],
    ['Camera restarts', number(camera.restarts)],
  ];
  return all.filter(([, value]) => value !== '');
}

/** The panel of numbers beside a large picture. */
export class Details {
  #note = make('p', { class: 'note-text' });
  #restart = make('p', { class: 'note-text' });
  #list = make('dl');
  #copy = make('button', { type: 'button' }, 'Copy as text');
  element = make('aside', { class: 'details', 'aria-label': 'Measurements' }, this.#list, this.#restart, this.#note, this.#copy);
  #text = '';

  constructor() {
    this.element.hidden = true;
    this.#copy.addEventListener('click', () => this.#copyText());
  }

  /**
   * @param {Camera} camera
   * @param {Stats} stats
   * @param {string} state in words
   */
  show(camera, stats, state) {
    const shown = rows(camera, stats);
    if ([...this.#list.children].map((row) => row.firstChild?.textContent).join() !== shown.map(([name]) => name).join()) {
      this.#list.replaceChildren(...shown.map(([name]) => make('div', {}, make('dt', {}, name), make('dd'))));
    }
    shown.forEach(([, value], i) => write(/** @type {HTMLElement} */ (this.#list.children[i].lastChild), value));
    write(this.#note, latencyWords(stats.latency, camera.capture_clock).note);
    const restart = restartWords(camera, Date.now());
    write(this.#restart, restart);
    const head = [['Camera', camera.name], ['State', state], ['Time', new Date().toISOString()], ['Browser', navigator.userAgent]];
    const lines = [...head, ...shown].map(([name, value]) => `${name}: ${value}`);
    this.#text = [...lines, restart].join('\n').trim();
  }

  async #copyText() {
    write(this.#copy, (await copy(this.#text)) ? 'Copied' : 'Select and copy');
    setTimeout(() => write(this.#copy, 'Copy as text'), 2000);
  }
}

/**
 * The clipboard is only open to secure pages; plain http in a home network needs the old way.
 * @param {string} text
 */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const area = make('textarea', { class: 'offscreen' });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  before?.focus();
  return done;
}
