import { make } from './dom.js';
import { icon } from './icons.js';

/** The buttons of a large picture. */
export class Controls {
  #tile;
  #player;
  #sound = button('soundOff', 'Sound');
  #numbers = button('numbers', 'Statistics');
  #full = button('fullscreen', 'Full screen');
  #close = button('close', 'Close');
  element = make('div', { class: 'controls' }, this.#sound, this.#numbers, this.#full, this.#close);

  /**
   * @param {HTMLElement} tile
   * @param {import('./play.js').Player} player
   * @param {object} on
   * @param {() => void} on.close
   * @param {(on: boolean) => void} on.numbers
   */
  constructor(tile, player, { close, numbers }) {
    this.#tile = tile;
    this.#player = player;
    this.element.hidden = true;
    toggle(this.#sound, false);
    toggle(this.#numbers, false);
    this.#sound.addEventListener('click', () => this.#setSound(!player.audio));
    this.#numbers.addEventListener('click', () => numbers(toggle(this.#numbers)));
    this.#full.addEventListener('click', () => this.#fullscreen());
    this.#close.addEventListener('click', close);
  }

  /** @param {boolean} large */
  set large(large) {
    this.element.hidden = !large;
    if (large) return;
    this.#setSound(false);
    if (document.fullscreenElement === this.#tile) document.exitFullscreen();
  }

  /** @param {import('./live.js').Track[]} tracks of the camera */
  tracks(tracks) {
    this.#sound.hidden = !tracks.some((track) => track.kind === 'audio');
  }

  focus() {
    this.#close.focus();
  }

  /** @param {boolean} on */
  #setSound(on) {
    toggle(this.#sound, on);
    this.#sound.replaceChildren(icon(on ? 'soundOn' : 'soundOff'));
    this.#player.setAudio(on);
  }

  #fullscreen() {
    const video = /** @type {HTMLVideoElement & { webkitEnterFullscreen?: () => void }} */ (this.#tile.querySelector('video'));
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.#tile.requestFullscreen) this.#tile.requestFullscreen();
    else video.webkitEnterFullscreen?.();
  }
}

/**
 * @param {import('./icons.js').Icon} name
 * @param {string} label
 */
function button(name, label) {
  return make('button', { type: 'button', title: label, 'aria-label': label }, icon(name));
}

/**
 * Presses or releases a button, or turns it over.
 * @param {HTMLButtonElement} element
 * @param {boolean} [on]
 */
function toggle(element, on = element.getAttribute('aria-pressed') !== 'true') {
  element.setAttribute('aria-pressed', String(on));
  return on;
}
