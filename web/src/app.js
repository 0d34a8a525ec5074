import { Announcer } from './announcer.js';
import { write } from './dom.js';
import { LiveFeed } from './live.js';
import { Wall } from './wall.js';
import { wayNamed } from './ways.js';
import { retryWords } from './words.js';

const HASH = '#camera=';

const feed = new LiveFeed(liveUrl());
const announcer = new Announcer(element('announcer'));
const wall = new Wall(element('wall'), feed, { open, close }, wayNamed(new URLSearchParams(location.search).get('mode')));
/** Whether the entry before this one in the browser's history is the grid of this page. */
let openedHere = false;

feed.addEventListener('cameras', () => {
  // The address may name a camera that has only now become known.
  if (wall.update()) route();
  announcer.keep(wall.tiles);
  render();
});
feed.addEventListener('link', () => {
  // Back again: whatever waits for its next try need not wait any longer.
  if (feed.link.up) for (const { player } of wall.tiles.values()) player.retryIfStale();
  render();
});
window.addEventListener('hashchange', route);
window.addEventListener('online', () => {
  // Another network may let through what the last one did not.
  wall.learned.forget();
  awake();
});
document.addEventListener('visibilitychange', () => document.hidden || awake());
window.addEventListener('pagehide', () => {
  for (const { player } of wall.tiles.values()) player.stop();
  feed.close();
});
window.addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  feed.connect();
  for (const tile of wall.tiles.values()) if (tile.seen) tile.player.start();
});
window.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && wall.large && !document.fullscreenElement) close();
});
setInterval(render, 500);
feed.connect();
// For tests and for people who help: what every player sees and measures.
Object.assign(window, { neverblink: { feed, get players() { return players(); } } });

/** Brings every word on the page up to date. */
function render() {
  for (const [name, tile] of wall.tiles) {
    tile.render();
    const { kind, detail } = tile.words;
    // That a picture out of view was stopped is no news.
    if (kind !== 'paused') announcer.update(name, [kind, tile.frozen && 'picture frozen', detail].filter(Boolean).join(', '));
  }
  const { cameras, link } = feed;
  const live = cameras?.filter((camera) => camera.state === 'live').length;
  const known = link.up && cameras && cameras.length > 0;
  write(element('count'), known ? `${live} of ${cameras.length} live` : '');
  write(element('link'), linkWords(cameras !== null));
  element('link').hidden = link.up;
  element('empty').hidden = cameras === null || cameras.length > 0;
  element('wait').hidden = cameras !== null;
  document.title = known ? `${live}/${cameras.length} live · neverblink` : 'neverblink';
}

/** @param {boolean} before whether the server was ever heard of */
function linkWords(before) {
  const { up, retryAt } = feed.link;
  if (up || (!before && retryAt === null)) return '';
  const what = before ? 'Your connection to the server is interrupted.' : 'The server cannot be reached.';
  return `${what} ${retryWords(retryAt, performance.now())}`;
}

/** The person is back, or the network: try at once what is waiting. */
function awake() {
  feed.connect();
  for (const tile of wall.tiles.values()) if (tile.seen) tile.player.retryIfStale();
}

/** @param {string} name */
function open(name) {
  const hash = HASH + name;
  if (wall.large) {
    location.replace(hash);
  } else {
    openedHere = true;
    location.hash = hash;
  }
}

function close() {
  if (openedHere) history.back();
  else history.replaceState(null, '', location.pathname + location.search);
  openedHere = false;
  wall.enlarge(null);
}

/** Shows what the address says. */
function route() {
  const name = location.hash.startsWith(HASH) ? location.hash.slice(HASH.length) : null;
  wall.enlarge(name);
  if (name === null) openedHere = false;
  render();
}

function players() {
  return Object.fromEntries([...wall.tiles].map(([name, tile]) => [name, tile.player]));
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

function liveUrl() {
  // Relative to the page, so that it also works behind a proxy that puts the server under a path.
  const url = new URL('api/v1/live', document.baseURI);
  url.protocol = url.protocol.replace('http', 'ws');
  return url;
}
