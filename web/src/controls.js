import { make } from './dom.js';
import { icon } from './icons.js';

/** The buttons of a large picture. */
export class Controls {
  #tile;
  #player;
  #sound = button('soundOff', 'Sound');
  #numbers = button('numbers', 'Statistics');
  #settings = button('sliders', 'Camera settings');
  #full = button('fullscreen', 'Full screen');
  #close = button('close', 'Close');
  element = make('div', { class: 'controls' }, this.#sound, this.#settings, this.#numbers, this.#full, this.#close);

  /**
   * @param {HTMLElement} tile
   * @param {import('./play.js').Player} player
   * @param {object} on
   * @param {() => void} on.close
   * @param {(on: boolean) => void} on.numbers
   * @param {(on: boolean) => void} on.settings
   */
  constructor(tile, player, { close, numbers, settings }) {
    this.#tile = tile;
    this.#player = player;
    this.element.hidden = true;
    toggle(this.#sound, false);
    toggle(this.#numbers, false);
    toggle(this.#settings, false);
    this.#settings.hidden = true;
    this.#sound.addEventListener('click', () => this.#setSound(!player.audio));
    // One of them at a time: both stand in the same place.
    this.#numbers.addEventListener('click', () => {
      settings(toggle(this.#settings, false));
      numbers(toggle(this.#numbers));
    });
    this.#settings.addEventListener('click', () => {
      numbers(toggle(this.#numbers, false));
      settings(toggle(this.#settings));
    });
    this.#full.addEventListener('click', () => this.#fullscreen());
    this.#close.addEventListener('click', close);
  }

  /** @param {boolean} large */
  set large(large) {
    this.element.hidden = !large;
    if (large) return;
    toggle(this.#settings, false);
    this.#setSound(false);
    if (document.fullscreenElement === this.#tile) document.exitFullscreen();
  }

  /** @param {import('./live.js').Track[]} tracks of the camera */
  tracks(tracks) {
    this.#sound.hidden = !tracks.some((track) => track.kind === 'audio');
  }

  /** @param {boolean} has whether the camera has something to be set */
  settings(has) {
    this.#settings.hidden = !has && this.#settings.getAttribute('aria-pressed') !== 'true';
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
