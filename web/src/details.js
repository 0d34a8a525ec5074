import { make, write } from './dom.js';
import { latencyWords, restartWords } from './words.js';

/**
 * @typedef {import('./live.js').Camera} Camera
 * @typedef {ReturnType<import('./player.js').Player['stats']>} Stats
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
  const video = camera.tracks?.find((track) => track.kind === 'video');
  return [
    ['Capture to screen', latency.text],
    ['Frames shown', `${stats.fps.toFixed(1)} of ${camera.fps?.toFixed(1) ?? '?'} fps`],
    ['Picture', `${stats.width ?? video?.width ?? '?'} × ${stats.height ?? video?.height ?? '?'}`],
    ['Codec', camera.tracks?.map((track) => track.codec).join(', ') || stats.codec || 'unknown'],
    ['Bitrate', stats.bitrate == null ? 'unknown' : `${(stats.bitrate / 1e6).toFixed(2)} Mbit/s`],
    ['Packets lost', number(stats.lost)],
    ['Packets repaired', number(stats.repaired)],
    ['Repair requests', number(stats.nacks)],
    ['Frames dropped', number(stats.dropped)],
    ['Freezes', stats.freezes == null ? 'unknown' : `${stats.freezes} (${(stats.frozenFor ?? 0).toFixed(1)} s)`],
    ['Held back by browser', number(stats.bufferMs, ' ms')],
    ['Round trip', number(stats.rtt, ' ms')],
    ['Viewers', number(camera.viewers)],
    ['Camera restarts', number(camera.restarts)],
  ];
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
    if (this.#list.children.length !== shown.length) {
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
