import { fit, neighbour } from './grid.js';
import { Tile } from './tile.js';
import { Learned } from './ways.js';

/** @typedef {import('./live.js').LiveFeed} LiveFeed */

/** All tiles: which there are, where they stand, which of them is large, and which of them anybody sees. */
export class Wall {
  /** @type {Map<string, Tile>} */
  tiles = new Map();
  learned = new Learned();

  #element;
  #feed;
  #observer = new IntersectionObserver((entries) => this.#intersected(entries), { rootMargin: '10%' });
  /** @type {Set<Element>} tiles within the window */
  #near = new Set();
  #columns = 1;
  #arranged = 0;
  #open;
  #close;
  #how;

  /**
   * @param {HTMLElement} element that holds the tiles
   * @param {LiveFeed} feed
   * @param {object} on
   * @param {(name: string) => void} on.open
   * @param {() => void} on.close
   * @param {import('./ways.js').WayName | null} mode the way of playing that is asked for
   */
  constructor(element, feed, { open, close }, mode) {
    this.#element = element;
    this.#feed = feed;
    this.#open = open;
    this.#close = close;
    this.#how = { mode, learned: this.learned };
    const room = new ResizeObserver(() => this.#arrange());
    for (const part of document.querySelectorAll('html, header, .message')) room.observe(part);
    window.addEventListener('resize', () => this.#arrange());
    document.addEventListener('visibilitychange', () => this.#look());
    element.addEventListener('keydown', (event) => this.#key(event));
  }

  /** The tile that is large, if one is. */
  get large() {
    return [...this.tiles.values()].find((tile) => tile.large);
  }

  /** Makes the tiles agree with the server's list, and tells whether there are new ones. */
  update() {
    const cameras = this.#feed.cameras ?? [];
    const names = new Set(cameras.map((camera) => camera.name));
    for (const [name, tile] of this.tiles) if (!names.has(name)) this.#remove(name, tile);
    const fresh = cameras.filter((camera) => !this.tiles.has(camera.name));
    for (const camera of cameras) this.tiles.get(camera.name)?.update(camera);
    for (const camera of fresh) this.#add(camera);
    this.#sort(cameras.map((camera) => camera.name));
    return fresh.length > 0;
  }

  /**
   * Opens one tile, or none.
   * @param {string | null} name
   */
  enlarge(name) {
    const next = name === null ? undefined : this.tiles.get(name);
    const before = this.large;
    if (next === before) return;
    // Inert first and focus last: an inert element can neither keep nor take the focus.
    for (const tile of this.tiles.values()) tile.element.inert = next !== undefined && tile !== next;
    document.body.classList.toggle('has-large', next !== undefined);
    for (const element of document.querySelectorAll('header')) element.inert = next !== undefined;
    if (before) before.large = false;
    if (next) next.large = true;
    this.#look();
  }

  /** @param {import('./live.js').Camera} camera */
  #add(camera) {
    const { name } = camera;
    const tile = new Tile(camera, this.#feed, { open: () => this.#open(name), close: this.#close }, this.#how);
    this.tiles.set(name, tile);
    this.#observer.observe(tile.element);
  }

  /**
   * @param {string} name
   * @param {Tile} tile
   */
  #remove(name, tile) {
    if (tile.large) this.#close();
    this.#observer.unobserve(tile.element);
    this.#near.delete(tile.element);
    this.tiles.delete(name);
    tile.remove();
  }

  /** @param {string[]} names in the server's order */
  #sort(names) {
    const wanted = names.map((name) => /** @type {Tile} */ (this.tiles.get(name)).element);
    if (wanted.length === this.#arranged && wanted.every((element, i) => element === this.#element.children[i])) return;
    // A video that is moved stops for a moment, so only what is out of its place is put there.
    wanted.forEach((element, i) => {
      const there = this.#element.children[i] ?? null;
      if (there !== element) this.#element.insertBefore(element, there);
    });
    this.#arranged = wanted.length;
    this.#arrange();
  }

  #arrange() {
    const style = getComputedStyle(this.#element);
    const px = (/** @type {string} */ value) => Number.parseFloat(value) || 0;
    const room = {
      width: this.#element.clientWidth - px(style.paddingLeft) - px(style.paddingRight),
      height: window.innerHeight - this.#element.offsetTop - px(style.paddingTop) - px(style.paddingBottom),
      gap: px(style.columnGap),
      caption: px(style.getPropertyValue('--caption')),
      least: px(style.getPropertyValue('--least')),
    };
    const { columns, width } = fit(this.tiles.size, room);
    this.#columns = columns;
    this.#element.style.setProperty('--columns', String(columns));
    this.#element.style.setProperty('--tile', `${Math.floor(width)}px`);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #intersected(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.#near.add(target);
      else this.#near.delete(target);
    }
    this.#look();
  }

  /** Decides which tiles anybody sees, or hears. */
  #look() {
    const large = this.large;
    for (const tile of this.tiles.values()) {
      const uncovered = large ? tile === large : this.#near.has(tile.element);
      tile.seen = uncovered && (!document.hidden || tile.player.audio);
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const tiles = [...this.#element.children];
    const large = this.large;
    const at = tiles.indexOf(large?.element ?? /** @type {Element} */ (event.target).closest('.tile') ?? this.#element);
    const to = at < 0 ? null : neighbour(event.key, at, tiles.length, large ? 1 : this.#columns);
    if (to === null) return;
    event.preventDefault();
    const name = /** @type {HTMLElement} */ (tiles[to]).dataset.camera ?? '';
    if (large) this.#open(name);
    else this.tiles.get(name)?.focus();
  }
}
