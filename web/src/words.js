/**
 * What a viewer reads, made from what the server says of the camera and from what the player sees. Trouble on the
 * viewer's side is never blamed on the camera, nor the other way round.
 *
 * @typedef {import('./live.js').Camera} Camera
 * @typedef {import('./live.js').Link} Link
 * @typedef {import('./play.js').PlayerState} PlayerState
 * @typedef {import('./latency.js').Reading} Reading
 *
 * @typedef {object} Words
 * @property {'live' | 'connecting' | 'stalled' | 'offline' | 'interrupted' | 'paused'} kind
 * @property {string} title
 * @property {string} detail why; may be empty
 * @property {string} next what happens next; may be empty
 */

/**
 * @param {object} seen
 * @param {Camera} seen.camera
 * @param {Link} seen.link to the server
 * @param {PlayerState} seen.player
 * @param {boolean} seen.flowing whether pictures are being shown
 * @param {number} now local time
 * @param {number} wall Unix ms, for times of day
 * @returns {Words}
 */
export function describe({ camera, link, player, flowing }, now, wall) {
  if (!link.up) return flowing ? LIVE : { ...INTERRUPTED, next: retryWords(link.retryAt, now) };
  if (camera.state !== 'live') return cameraWords(camera, now, wall);
  return flowing ? LIVE : playerWords(player, now);
}

/** @type {Words} */
const LIVE = { kind: 'live', title: 'Live', detail: '', next: '' };

/** @type {Words} */
const INTERRUPTED = { kind: 'interrupted', title: 'Your connection to the server is interrupted', detail: '', next: '' };

/** What keeps the picture from a viewer whose connection to the server works otherwise. */
const TROUBLE = { media: 'The picture does not reach you', refused: 'Cannot be played right now' };

/**
 * @param {Camera} camera
 * @param {number} now
 * @param {number} wall
 * @returns {Words}
 */
function cameraWords(camera, now, wall) {
  const heardAgo = now - camera.heard;
  const since = camera.since_ms === undefined ? '' : ` since ${timeOfDay(wall - camera.since_ms - heardAgo, wall)}`;
  const detail = sentence(camera.reason ?? '');
  const next = camera.next_try_ms == null ? '' : nextTry(camera.next_try_ms - heardAgo);
  switch (camera.state) {
    case 'offline':
      return { kind: 'offline', title: `Offline${since}`, detail, next };
    case 'stalled':
      return { kind: 'stalled', title: `Stalled${since}`, detail: detail || 'The camera is connected but sends no picture.', next };
    default:
      return { kind: 'connecting', title: 'Connecting to the camera…', detail, next };
  }
}

/**
 * @param {PlayerState} player
 * @param {number} now
 * @returns {Words}
 */
function playerWords({ phase, failure, retryAt }, now) {
  const stopped = 'The picture stopped on its way to you';
  switch (phase) {
    case 'stopped':
      return { kind: 'paused', title: 'Paused', detail: 'Nobody was looking.', next: '' };
    case 'blocked':
      return { kind: 'paused', title: 'Tap to play', detail: 'The browser waits for you before it plays.', next: '' };
    case 'connected':
      return { kind: 'interrupted', title: stopped, detail: 'Your connection may be slow or broken.', next: '' };
    default:
      if (!failure) return { kind: 'connecting', title: 'Connecting…', detail: '', next: '' };
      if (failure.kind === 'network') return { ...INTERRUPTED, next: retryWords(retryAt, now) };
      return { kind: 'interrupted', title: TROUBLE[failure.kind], detail: sentence(failure.message), next: retryWords(retryAt, now) };
  }
}

/**
 * @param {number | null} retryAt
 * @param {number} now
 */
export function retryWords(retryAt, now) {
  const seconds = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1000);
  return seconds > 0 ? `Trying again in ${seconds} s` : 'Trying again…';
}

/** @param {number} ms */
function nextTry(ms) {
  return ms > 0 ? `Next try in ${Math.ceil(ms / 1000)} s` : 'Trying now…';
}

/**
 * `hh:mm:ss`, with the date in front if it is not today.
 * @param {number} at Unix ms
 * @param {number} wall now, Unix ms
 */
export function timeOfDay(at, wall) {
  const date = new Date(at);
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  if (date.toDateString() === new Date(wall).toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/** @param {string} text */
function sentence(text) {
  if (!text) return '';
  const upper = text[0].toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(upper) ? upper : `${upper}.`;
}

/**
 * @param {Camera} camera
 * @param {number} wall now, Unix ms
 * @returns {string} empty if it was never restarted
 */
export function restartWords({ last_restart: last }, wall) {
  return last ? `Last restart at ${timeOfDay(wall - last.age_ms, wall)}: ${sentence(last.cause)}` : '';
}

/**
 * A live camera whose picture stands still though frames keep coming.
 * @param {Camera} camera
 * @param {number} now local time
 * @returns {string} empty while it moves, or while nobody can tell
 */
export function frozenWords({ state, frozen, heard }, now) {
  if (state !== 'live' || !frozen) return '';
  const seconds = Math.floor((frozen.since_ms + Math.max(0, now - heard)) / 1000);
  const [long, unit] = seconds < 60 ? [seconds, 's'] : seconds < 7200 ? [seconds / 60, 'min'] : [seconds / 3600, 'h'];
  return `Picture frozen for ${Math.floor(long)} ${unit}`;
}

/**
 * What the server says of the link to this viewer.
 * @param {import('./play.js').LinkState | null} link
 * @returns {string} empty while there is nothing to say
 */
export function linkWords(link) {
  if (!link?.limited || !link.estimate || !link.needed) return '';
  const mbit = (/** @type {number} */ bits) => (bits / 1e6).toFixed(1);
  return `carries ${mbit(Math.min(link.estimate, link.needed))} of ${mbit(link.needed)} Mbit/s`;
}

/** Above this, the uncertainty of the clocks is worth a word. */
const CERTAIN = 15;

/**
 * A latency as people read it, with a note on what it means.
 * @param {Reading | null} reading
 * @param {string | undefined} captureClock how the server knows the capture time
 * @returns {{ text: string, note: string }}
 */
export function latencyWords(reading, captureClock) {
  if (!reading) return { text: 'unknown', note: 'This browser or camera does not tell when the picture was captured.' };
  const ms = `${Math.max(0, Math.round(reading.ms))} ms`;
  if (captureClock === 'arrival') {
    return { text: `> ${ms}`, note: 'From arrival at the server to your screen. The camera does not say when it captured the picture.' };
  }
  const known = captureClock === 'sender_report' ? 'The capture time is by the clock of the sender.' : '';
  const note = `From capture to your screen, right to ± ${Math.max(1, Math.ceil(reading.error))} ms. ${known}`.trim();
  return { text: reading.error > CERTAIN ? `about ${ms}` : ms, note };
}
