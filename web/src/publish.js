import { Backoff } from './backoff.js';
import { mark, write } from './dom.js';
import { refusal } from './failure.js';
import { SentMeter, WhipSession, canEncode } from './whip.js';

/** Most that each resolution is worth, in bit/s. */
const BITRATES = { 640: 1_200_000, 1280: 3_000_000, 1920: 6_000_000 };
const FPS = 30;
/** Somebody else publishes: asked again after this long. */
const BUSY_AGAIN = 3000;

const name = decodeURIComponent(location.pathname.split('/').pop() ?? '');
const live = new URL(`../live/${encodeURIComponent(name)}/`, location.href);
const preview = /** @type {HTMLVideoElement} */ (element('preview'));
const go = /** @type {HTMLButtonElement} */ (element('go'));
const [camera, size, sound] = ['camera', 'size', 'sound'].map((id) => /** @type {HTMLSelectElement} */ (element(id)));
const backoff = new Backoff({ first: 500 });

/** @type {MediaStream | null} */
let stream = null;
/** @type {WhipSession | null} */
let session = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;
/** Which start this is: what an earlier one has waited for comes too late. */
let turn = 0;
let meter = new SentMeter();
/** @type {{ release: () => Promise<void> } | null} */
let awake = null;

write(element('name'), name);
document.title = `Publish ${name} – neverblink`;
go.addEventListener('click', () => (turn % 2 ? stop('Stopped.') : start()));
for (const choice of [camera, size, sound]) choice.addEventListener('change', () => turn % 2 && restart());
window.addEventListener('pagehide', () => turn % 2 && stop('Stopped.'));
window.addEventListener('online', () => retryNow());
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  retryNow();
  if (turn % 2) stayAwake();
});
setInterval(tellSent, 1000);
if (possible()) check();
// For tests and for people who help.
Object.assign(window, { publishing: { get session() { return session; } } });

/** Whether this page may have a camera at all; says why not. */
function possible() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    const insecure = element('insecure');
    insecure.hidden = false;
    write(
      insecure,
      `Browsers give a camera only to pages that come by https, or from this very device (localhost). This page came from ${location.origin}. Put the server behind a proxy that speaks https, or publish with a program such as OBS or GStreamer to ${live}whip.`,
    );
    return cannot('This page may not use your camera.');
  }
  return canEncode() || cannot('This browser cannot encode H.264, which all players need. Use Chrome, Edge or Safari, or a current Firefox.');
}

/** @param {string} words */
function cannot(words) {
  go.disabled = true;
  say('trouble', words);
  return false;
}

/** Says at once if nothing can come of it. */
async function check() {
  say('off', 'Off. Start shows your camera to everybody who can open this server.');
  try {
    const response = await fetch(new URL(`../api/v1/cameras/${encodeURIComponent(name)}`, location.href));
    if (!response.ok) return cannot((await refusal(response)).message);
    const { source, publisher } = await response.json();
    if (source !== 'publish') return cannot(`Camera ${name} takes its picture from ${source}. Only cameras with the source "publish" can be published to.`);
    if (publisher && !(turn % 2)) say('off', `Off. At present the picture comes from ${publisher}.`);
  } catch {
    // Whether the server can be reached shows when it is started.
  }
}

async function start() {
  const mine = ++turn;
  go.classList.add('stops');
  write(go, 'Stop');
  say('busy', 'Asking for your camera…');
  try {
    const taken = await navigator.mediaDevices.getUserMedia(wanted());
    if (mine !== turn) return taken.getTracks().forEach((track) => track.stop());
    show(taken);
    publish();
    stayAwake();
    await listCameras();
  } catch (error) {
    if (mine === turn) stop(cameraWords(error), 'trouble');
  }
}

/** @param {string} words @param {string} [state] */
function stop(words, state = 'off') {
  turn += turn % 2;
  endSession();
  stream?.getTracks().forEach((track) => track.stop());
  stream = preview.srcObject = null;
  awake?.release().catch(() => {});
  awake = null;
  element('off').hidden = false;
  go.classList.remove('stops');
  write(go, 'Start');
  say(state, words);
}

/** Another camera, resolution or sound was chosen. Phones have one camera at a time, so the old one goes first. */
function restart() {
  stop('');
  start();
}

function wanted() {
  const [width, height] = size.value.split('x').map(Number);
  const facing = ['environment', 'user'].includes(camera.value);
  const which = facing ? { facingMode: { ideal: camera.value } } : { deviceId: { exact: camera.value } };
  const video = { ...which, width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: FPS } };
  return { video, audio: sound.value === 'on' };
}

/** @param {MediaStream} taken */
function show(taken) {
  stream = preview.srcObject = taken;
  element('off').hidden = true;
  const [video] = taken.getVideoTracks();
  video.contentHint = 'motion';
  preview.parentElement?.classList.toggle('mirrored', video.getSettings().facingMode === 'user');
  for (const track of taken.getTracks()) {
    track.addEventListener('ended', () => stream === taken && stop(`The ${track.kind === 'video' ? 'camera' : 'microphone'} was taken away.`, 'trouble'));
  }
}

function publish() {
  if (!stream) return;
  endSession();
  say('busy', 'Connecting to the server…');
  const width = Number(size.value.split('x')[0]);
  const made = new WhipSession(new URL('whip', live), stream, BITRATES[/** @type {keyof typeof BITRATES} */ (width)]);
  session = made;
  meter = new SentMeter();
  made.addEventListener('connected', () => {
    backoff.reset();
    say('live', 'Live: others see this picture.');
  });
  made.addEventListener('failed', (event) => {
    if (session === made) later(/** @type {CustomEvent<import('./failure.js').Failure>} */ (event).detail);
  });
  made.start();
}

/** Tries again after a while. @param {import('./failure.js').Failure} failure */
function later({ kind, message, retryAfter }) {
  const ms = kind === 'refused' && retryAfter ? BUSY_AGAIN : backoff.next();
  endSession();
  say('trouble', `${message.replace(/\.?$/, '.')} Trying again…`);
  again = setTimeout(publish, ms);
}

function retryNow() {
  if (!again) return;
  clearTimeout(again);
  again = undefined;
  publish();
}

function endSession() {
  clearTimeout(again);
  again = undefined;
  session?.close();
  session = null;
}

/** Once a page may use cameras, it is told their names. */
async function listCameras() {
  const known = new Set([...camera.options].map(({ value }) => value));
  for (const { kind, deviceId, label } of await navigator.mediaDevices.enumerateDevices()) {
    if (kind === 'videoinput' && deviceId && !known.has(deviceId)) camera.add(new Option(label || 'Camera', deviceId));
  }
}

/** A phone that goes to sleep would end the picture. */
async function stayAwake() {
  awake = (await navigator.wakeLock?.request('screen').catch(() => null)) ?? null;
}

async function tellSent() {
  const report = session?.connected ? await session.stats() : null;
  const sent = report && meter.read(report);
  const line = element('sent');
  line.hidden = !session?.connected;
  if (sent) write(line, `${sent.width} × ${sent.height}, ${Math.round(sent.fps)} fps, ${(sent.bitrate / 1e6).toFixed(1)} Mbit/s`);
}

/** @param {unknown} error */
function cameraWords(error) {
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
      return 'The browser was told not to give this page the camera. Allow it in the site settings (next to the address), then start again.';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return `This device has no such camera${sound.value ? ' or microphone' : ''}. Choose another one.`;
    case 'NotReadableError':
    case 'AbortError':
      return 'The camera is in use by another program, or does not answer. Close that program, then start again.';
    default:
      return `The camera cannot be used: ${error}`;
  }
}

/** @param {string} state @param {string} words */
function say(state, words) {
  mark(element('state'), 'state', state);
  write(element('words'), words);
}

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}
