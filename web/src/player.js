/**
 * `<neverblink-player src="front" controls muted>`: one camera in any page, also of another origin
 * (docs/guide/embedding.md):
 *
 *     <script type="module" src=".../player.js"></script>
 */
import { make, mark, write } from './dom.js';
import { icon } from './icons.js';
import { LiveFeed } from './live.js';
import { Player } from './play.js';
import { Screen } from './screen.js';
import { Learned, wayNamed } from './ways.js';
import { describe, latencyWords, linkWords } from './words.js';

/** @typedef {import('./live.js').Camera} Camera */

/** How long a picture that nobody sees goes on before it is stopped to save the link. */
const LINGER = 15_000;

const STYLE = `
  :host { display: block; position: relative; overflow: hidden; aspect-ratio: 16 / 9; background: #080c0d; color: #eef3f1;
    font: 0.95rem/1.35 system-ui, sans-serif; }
  :host([hidden]) { display: none; }
  .stage, .stage > * { position: absolute; inset: 0; width: 100%; height: 100%; }
  video, canvas { object-fit: contain; }
  [hidden] { display: none !important; }
  .stage:not([data-picture='now']) :is(video, .picture), .stage[data-picture='none'] .still { visibility: hidden; }
  .stage:not([data-state='live']) :is(video, canvas) { filter: grayscale(0.7) brightness(0.35); }
  .note { display: flex; flex-direction: column; align-items: center; justify-content: center; padding: 1rem; box-sizing: border-box;
    text-align: center; text-shadow: 0 1px 3px #000; }
  .stage[data-state='live'] .note { display: none; }
  .bar { position: absolute; inset: auto 0 0 0; display: flex; flex-wrap: wrap; align-items: center; gap: 0 0.6rem; padding: 0.35rem 0.7rem;
    background: linear-gradient(transparent, #000b); text-shadow: 0 1px 2px #000; font-variant-numeric: tabular-nums; }
  .dot { width: 0.6rem; height: 0.6rem; border-radius: 50%; background: #e0b13c; }
  .bar[data-state='live'] .dot { background: #3ecf8e; }
  .bar[data-state='offline'] .dot { background: #ef6b5e; }
  .state { display: inline-block; }
  .state::first-letter { text-transform: uppercase; }
  .thin { color: #f2c14e; }
  .space { flex: 1; }
  button { display: grid; place-items: center; width: 44px; height: 36px; border: 0; border-radius: 0.4rem; background: none; color: inherit; cursor: pointer; }
  button:focus-visible { outline: 2px solid #7cc4ff; }
  svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
`;

/** One live connection to each server, whatever the number of players. @type {Map<string, { feed: LiveFeed, users: number, learned: Learned }>} */
const servers = new Map();

export class NeverblinkPlayer extends HTMLElement {
  static observedAttributes = ['src', 'controls', 'muted', 'mode'];

  /** @type {Player | null} what plays, for those who want to know more */
  player = null;

  #video = make('video', { 'aria-hidden': 'true', tabindex: '-1' });
  #still = make('canvas', { class: 'still', 'aria-hidden': 'true' });
  #title = make('strong');
  #detail = make('span');
  #next = make('span');
  #stage = make('div', { class: 'stage' }, this.#still, this.#video, make('div', { class: 'note', role: 'status' }, this.#title, this.#detail, this.#next));
  #state = make('span', { class: 'state' });
  #latency = make('span');
  #thin = make('span', { class: 'thin' });
  #sound = make('button', { type: 'button', 'aria-label': 'Sound', 'aria-pressed': 'false' }, icon('soundOff'));
  #full = make('button', { type: 'button', 'aria-label': 'Full screen' }, icon('fullscreen'));
  #bar = make('div', { class: 'bar' }, make('span', { class: 'dot' }), this.#state, this.#latency, this.#thin, make('span', { class: 'space' }), this.#sound, this.#full);
  #screen = new Screen(this.#video, this.#still);
  #observer = new IntersectionObserver((entries) => this.#look(entries.at(-1)?.isIntersecting ?? true), { rootMargin: '10%' });
  /** @type {URL | null} of the camera, with a slash at its end */
  #url = null;
  /** @type {LiveFeed | null} */
  #feed = null;
  #inView = true;
  /** In a page. A browser that upgrades an element tells its attributes before it says so. */
  #placed = false;
  /** Whether a person has used the button for sound, which then counts more than the attribute. */
  #chosen = false;
  #refused = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #linger;
  #onCameras = () => this.#update();
  #onLink = () => {
    // Back again: whatever waits for its next try need not wait any longer.
    if (this.#feed?.link.up) this.player?.retryIfStale();
    this.#render();
  };
  #onVisibility = () => this.#look(this.#inView);

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    // Pages may forbid style elements, but not these.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    root.append(this.#stage, this.#bar);
    this.#sound.addEventListener('click', () => this.#setSound(!this.player?.audio));
    this.#full.addEventListener('click', () => this.#fullscreen());
    this.#stage.addEventListener('click', () => this.player?.retry());
    this.#screen.addEventListener('blocked', () => this.#blocked());
  }

  connectedCallback() {
    this.#placed = true;
    this.#observer.observe(this);
    document.addEventListener('visibilitychange', this.#onVisibility);
    this.#timer = setInterval(() => this.#render(), 500);
    this.#begin();
  }

  disconnectedCallback() {
    this.#placed = false;
    this.#observer.disconnect();
    document.removeEventListener('visibilitychange', this.#onVisibility);
    clearInterval(this.#timer);
    this.#end();
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} now
   */
  attributeChangedCallback(name, before, now) {
    if (!this.#placed || before === now) return;
    if (name === 'muted') this.#applySound();
    else if (name !== 'controls') this.#begin();
    this.#render();
  }

  /** The camera as the server describes it. @returns {Camera | null} */
  get camera() {
    const name = cameraOf(this.#url?.pathname ?? '');
    return this.#feed?.cameras?.find((camera) => camera.name === name) ?? null;
  }

  #begin() {
    this.#end();
    const src = this.getAttribute('src');
    if (!src) return;
    this.#url = cameraUrl(src);
    const server = serverOf(this.#url);
    this.#feed = server.feed;
    this.#feed.addEventListener('cameras', this.#onCameras);
    this.#feed.addEventListener('link', this.#onLink);
    const mode = wayNamed(this.getAttribute('mode'));
    this.player = new Player(this.#screen, { url: this.#url, clock: this.#feed.clock, mode, learned: server.learned });
    this.player.addEventListener('state', () => {
      this.#render();
      this.dispatchEvent(new CustomEvent('statechange', { detail: this.player?.state }));
    });
    this.player.addEventListener('frame', (event) => {
      this.dispatchEvent(new CustomEvent('frame', { detail: /** @type {CustomEvent} */ (event).detail }));
    });
    this.#update();
    this.#applySound();
    this.#look(this.#inView);
  }

  #end() {
    clearTimeout(this.#linger);
    this.player?.stop();
    this.player = null;
    this.#feed?.removeEventListener('cameras', this.#onCameras);
    this.#feed?.removeEventListener('link', this.#onLink);
    if (this.#url) leave(this.#url);
    this.#feed = this.#url = null;
  }

  /** @param {boolean} inView */
  #look(inView) {
    this.#inView = inView;
    clearTimeout(this.#linger);
    if (!this.player) return;
    if (inView && (!document.hidden || this.player.audio)) {
      this.player.start();
      this.player.forgive();
    } else {
      this.#linger = setTimeout(() => this.player?.stop(), LINGER);
    }
  }

  #update() {
    const camera = this.camera;
    const sound = camera?.tracks?.find((track) => track.kind === 'audio')?.codec;
    this.player?.expect(camera?.state === 'live', camera?.fps, sound);
    this.#applySound();
    this.#render();
  }

  /** What the attribute says, until a person says otherwise. */
  #applySound() {
    const audible = this.camera?.tracks?.some((track) => track.kind === 'audio') ?? false;
    this.#sound.hidden = !audible;
    if (!this.#chosen) this.player?.setAudio(audible && !this.hasAttribute('muted') && !this.#refused);
    this.#showSound();
  }

  /** @param {boolean} on */
  #setSound(on) {
    this.#chosen = true;
    this.player?.setAudio(on);
    this.#showSound();
  }

  #showSound() {
    const on = this.player?.audio ?? false;
    if (this.#sound.ariaPressed === String(on)) return;
    this.#sound.ariaPressed = String(on);
    this.#sound.replaceChildren(icon(on ? 'soundOn' : 'soundOff'));
  }

  /** Browsers let nothing sound before the page was touched; a silent picture is better than none. */
  #blocked() {
    if (!this.player?.audio || this.#chosen) return;
    this.#refused = true;
    this.#applySound();
  }

  #fullscreen() {
    // Phones of Apple let only the video itself fill the screen.
    const video = /** @type {HTMLVideoElement & { webkitEnterFullscreen?: () => void }} */ (this.#video);
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.requestFullscreen) this.requestFullscreen().catch(() => {});
    else video.webkitEnterFullscreen?.();
  }

  #render() {
    this.#bar.hidden = !this.hasAttribute('controls');
    const { player } = this;
    if (!player || !this.#feed) return;
    const { kind, title, detail, next } = describe(
      { camera: this.camera ?? unknown(this.#feed), link: this.#feed.link, player: player.state, flowing: player.flowing },
      performance.now(),
      Date.now(),
    );
    mark(this.#stage, 'state', kind);
    mark(this.#bar, 'state', kind);
    mark(this.#stage, 'picture', player.hasPicture ? 'now' : this.#still.width > 1 ? 'old' : 'none');
    [[this.#title, title], [this.#detail, detail], [this.#next, next]].forEach(([element, text]) => {
      write(/** @type {HTMLElement} */ (element), /** @type {string} */ (text));
    });
    const latency = latencyWords(player.latency(), this.camera?.capture_clock);
    write(this.#state, kind === 'live' ? 'Live' : kind);
    write(this.#latency, kind === 'live' ? latency.text : '');
    this.#latency.title = `${latency.note} Played by ${player.stats().way}`;
    const link = linkWords(player.link);
    write(this.#thin, link && `Your link ${link}`);
  }
}

/**
 * The address of a camera: `front`, `front/sd`, or an address of one of this or another server.
 * @param {string} src
 */
function cameraUrl(src) {
  const bare = /^[\w-]+(\/[\w-]+)?$/.test(src);
  const url = new URL(bare ? `live/${src}/` : src, bare ? import.meta.url : document.baseURI);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** @param {string} path `…/live/CAMERA/` or `…/live/CAMERA/RENDITION/` */
function cameraOf(path) {
  return decodeURIComponent(/\/live\/([^/]+)\//.exec(path)?.[1] ?? '');
}

/** @param {URL} url of a camera */
function liveUrl(url) {
  const live = new URL(url.pathname.replace(/live\/.*$/, 'api/v1/live'), url);
  live.protocol = live.protocol.replace('http', 'ws');
  return live;
}

/** @param {URL} url of a camera */
function serverOf(url) {
  const live = liveUrl(url);
  const server = servers.get(live.href) ?? { feed: new LiveFeed(live), users: 0, learned: new Learned() };
  servers.set(live.href, server);
  server.users += 1;
  server.feed.connect();
  return server;
}

/** @param {URL} url of a camera */
function leave(url) {
  const { href } = liveUrl(url);
  const server = servers.get(href);
  if (!server) return;
  server.users -= 1;
  if (server.users > 0) return;
  server.feed.close();
  servers.delete(href);
}

/**
 * Before the server was heard, or if it does not know the camera.
 * @param {LiveFeed} feed
 * @returns {Camera}
 */
function unknown(feed) {
  const reason = feed.cameras ? 'the server has no camera of this name' : '';
  return { name: '', state: feed.cameras ? 'offline' : 'connecting', reason, heard: performance.now() };
}

customElements.define('neverblink-player', NeverblinkPlayer);
