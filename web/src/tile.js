import { Controls } from './controls.js';
import { Details } from './details.js';
import { make, mark, write } from './dom.js';
import { Player } from './play.js';
import { Screen } from './screen.js';
import { Settings } from './settings.js';
import { describe, frozenWords, latencyWords, linkWords } from './words.js';

/**
 * @typedef {import('./live.js').Camera} Camera
 * @typedef {import('./live.js').LiveFeed} LiveFeed
 */

/** How long a picture that nobody sees goes on before it is stopped to save the link. */
const LINGER = 15_000;

/** One camera: its picture, its state in words, and, when large, its controls. */
export class Tile {
  /** @type {HTMLElement} */
  element;
  /** @type {Player} */
  player;
  /** @type {import('./words.js').Words} */
  words;

  #feed;
  #camera;
  #still = make('canvas', { class: 'still', 'aria-hidden': 'true' });
  #video = make('video', { 'aria-hidden': 'true', tabindex: '-1' });
  #title = make('strong');
  #detail = make('span');
  #next = make('span', { class: 'next' });
  #open;
  #state = make('span', { class: 'state' });
  #latency = make('span', { class: 'latency' });
  #thin = make('span', { class: 'thin' });
  #frozen = make('span', { class: 'frozen' });
  #controls;
  #details = new Details();
  #settings;
  #seen = false;
  #large = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #linger;

  /**
   * @param {Camera} camera
   * @param {LiveFeed} feed
   * @param {object} on
   * @param {() => void} on.open
   * @param {() => void} on.close
   * @param {object} [how] to play
   * @param {import('./ways.js').WayName | null} [how.mode]
   * @param {import('./ways.js').Learned} [how.learned]
   */
  constructor(camera, feed, { open, close }, how) {
    this.#camera = camera;
    this.#feed = feed;
    const id = `state-${camera.name}`;
    this.#state.id = id;
    this.#frozen.id = `frozen-${camera.name}`;
    this.#open = make('button', { type: 'button', class: 'open', 'aria-label': camera.name, 'aria-describedby': `${id} ${this.#frozen.id}` });
    this.#open.addEventListener('click', () => {
      this.player.retry();
      open();
    });
    this.#settings = new Settings(camera.name);
    this.element = this.#build();
    const url = new URL(`live/${encodeURIComponent(camera.name)}/`, document.baseURI);
    this.player = new Player(new Screen(this.#video, this.#still), { url, clock: feed.clock, ...how });
    this.#controls = new Controls(this.element, this.player, { close, numbers: (on) => this.#showDetails(on), settings: (on) => this.#showSettings(on) });
    this.element.querySelector('.caption')?.append(this.#controls.element);
    this.player.addEventListener('state', () => this.render());
    this.words = this.#describe();
    this.update(camera);
  }

  /** @param {Camera} camera what the server says now */
  update(camera) {
    this.#camera = camera;
    const sound = camera.tracks?.find((track) => track.kind === 'audio')?.codec;
    this.player.expect(camera.state === 'live', camera.fps, sound);
    this.#controls.tracks(camera.tracks ?? []);
    this.render();
  }

  /** Whether the camera sends frames of a picture that does not change. */
  get frozen() {
    return this.#camera.state === 'live' && Boolean(this.#camera.frozen);
  }

  /** Whether the tile is in view, and nothing is in front of it. */
  get seen() {
    return this.#seen;
  }

  set seen(seen) {
    if (seen === this.#seen) return;
    this.#seen = seen;
    clearTimeout(this.#linger);
    if (seen) {
      this.player.start();
      this.player.forgive();
    } else {
      this.#linger = setTimeout(() => this.player.stop(), LINGER);
    }
  }

  get large() {
    return this.#large;
  }

  set large(large) {
    if (large === this.#large) return;
    this.#large = large;
    this.element.classList.toggle('large', large);
    this.element.role = large ? 'dialog' : 'group';
    this.element.ariaModal = large ? 'true' : null;
    this.#controls.large = large;
    if (large) {
      this.#controls.focus();
      this.#settings.look().then((has) => this.#controls.settings(has));
    } else {
      this.#showSettings(false);
      this.focus();
    }
    this.render();
  }

  focus() {
    this.#open.focus();
  }

  /** Brings words and numbers up to date. */
  render() {
    this.words = this.#describe();
    const { kind, title, detail, next } = this.words;
    const picture = this.player.hasPicture ? 'now' : this.#still.width > 1 ? 'old' : 'none';
    mark(this.element, 'state', kind);
    mark(this.element, 'picture', picture);
    write(this.#title, title);
    write(this.#detail, detail);
    write(this.#next, next);
    write(this.#state, kind === 'live' ? 'Live' : kind);
    const link = kind === 'live' ? linkWords(this.player.link) : '';
    write(this.#thin, link && `Your link ${link}`);
    write(this.#frozen, frozenWords(this.#camera, performance.now()));
    const latency = latencyWords(this.player.latency(), this.#camera.capture_clock);
    write(this.#latency, kind === 'live' ? latency.text : '');
    this.#latency.title = latency.note;
    /** @type {HTMLElement} */ (this.#latency.parentElement).hidden = kind !== 'live';
    if (this.#large) this.#details.show(this.#camera, this.player.stats(), [title, detail].filter(Boolean).join(': '));
  }

  /** Ends the session and takes the tile off the page. */
  remove() {
    clearTimeout(this.#linger);
    this.player.stop();
    this.element.remove();
  }

  #describe() {
    const { state, flowing } = this.player;
    return describe({ camera: this.#camera, link: this.#feed.link, player: state, flowing }, performance.now(), Date.now());
  }

  #build() {
    this.#still.width = 1;
    const note = make('div', { class: 'note' }, this.#title, this.#detail, this.#next);
    const stage = make('div', { class: 'stage' }, this.#still, this.#video, note, this.#open);
    const name = make('h2', {}, this.#camera.name);
    const delay = make('p', { class: 'delay' }, make('span', { class: 'offscreen' }, 'Delay: '), this.#latency);
    const caption = make('div', { class: 'caption' }, make('span', { class: 'dot' }), name, this.#state, this.#frozen, this.#thin, delay);
    const attributes = { class: 'tile', role: 'group', 'aria-label': this.#camera.name, 'data-camera': this.#camera.name };
    return make('div', attributes, stage, this.#details.element, this.#settings.element, caption);
  }

  /** @param {boolean} on */
  #showSettings(on) {
    this.#settings.element.hidden = !on;
    if (on) this.#settings.look();
  }

  /** @param {boolean} on */
  #showDetails(on) {
    this.#details.element.hidden = !on;
    this.render();
  }
}
