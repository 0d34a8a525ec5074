import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe, frozenWords, latencyWords, linkWords, restartWords, retryWords, timeOfDay } from '../src/words.js';

const WALL = new Date(2026, 2, 29, 12, 0, 0).getTime();
const UP = { up: true, retryAt: null };
const DOWN = { up: false, retryAt: 12_500 };
const PLAYING = /** @type {const} */ ({ phase: 'connected', failure: null, retryAt: null });

/** @param {object} changes */
function camera(changes = {}) {
  return { name: 'front', state: /** @type {const} */ ('live'), reason: '', since_ms: 0, next_try_ms: null, heard: 10_000, ...changes };
}

test('live', () => {
  const words = describe({ camera: camera(), link: UP, player: PLAYING, flowing: true }, 10_000, WALL);
  assert.deepEqual(words, { kind: 'live', title: 'Live', detail: '', next: '' });
});

test('offline says since when, why, and when the next try is, counted down from when it was heard', () => {
  const away = camera({ state: 'offline', reason: 'no route to host', since_ms: 60_000, next_try_ms: 4000 });
  const words = describe({ camera: away, link: UP, player: PLAYING, flowing: false }, 11_500, WALL + 1500);
  assert.deepEqual(words, { kind: 'offline', title: 'Offline since 11:59:00', detail: 'No route to host.', next: 'Next try in 3 s' });
  const due = describe({ camera: away, link: UP, player: PLAYING, flowing: false }, 15_000, WALL + 5000);
  assert.equal(due.next, 'Trying now…');
});

test('a camera that nobody retries promises nothing', () => {
  const away = camera({ state: 'offline', reason: 'nobody publishes', since_ms: 1000 });
  assert.equal(describe({ camera: away, link: UP, player: PLAYING, flowing: false }, 10_000, WALL).next, '');
});

test('a camera in trouble is named so even while old pictures flow', () => {
  const stalled = describe({ camera: camera({ state: 'stalled' }), link: UP, player: PLAYING, flowing: true }, 10_000, WALL);
  assert.equal(stalled.kind, 'stalled');
  assert.match(stalled.title, /^Stalled since 12:00:00$/);
});

test('the viewer’s own trouble is not blamed on the camera', () => {
  const lost = describe({ camera: camera({ state: 'offline' }), link: DOWN, player: PLAYING, flowing: false }, 10_000, WALL);
  assert.equal(lost.kind, 'interrupted');
  assert.equal(lost.title, 'Your connection to the server is interrupted');
  assert.equal(lost.next, 'Trying again in 3 s');
  const failure = { kind: /** @type {const} */ ('media'), message: 'a firewall may be blocking it' };
  const blocked = { phase: /** @type {const} */ ('waiting'), failure, retryAt: 11_000 };
  const words = describe({ camera: camera(), link: UP, player: blocked, flowing: false }, 10_000, WALL);
  assert.deepEqual(words, { kind: 'interrupted', title: 'The picture does not reach you', detail: 'A firewall may be blocking it.', next: 'Trying again in 1 s' });
});

test('pictures that still flow outlive a lost connection for words', () => {
  assert.equal(describe({ camera: camera(), link: DOWN, player: PLAYING, flowing: true }, 10_000, WALL).kind, 'live');
});

test('a first connection is no trouble', () => {
  const player = { phase: /** @type {const} */ ('connecting'), failure: null, retryAt: null };
  const words = describe({ camera: camera(), link: UP, player, flowing: false }, 10_000, WALL);
  assert.equal(words.kind, 'connecting');
});

test('pictures that stop on their way are the connection’s fault', () => {
  const words = describe({ camera: camera(), link: UP, player: PLAYING, flowing: false }, 10_000, WALL);
  assert.equal(words.kind, 'interrupted');
  assert.match(words.title, /on its way to you/);
});

test('retry words', () => {
  assert.equal(retryWords(null, 0), 'Trying again…');
  assert.equal(retryWords(100, 200), 'Trying again…');
  assert.equal(retryWords(1200, 200), 'Trying again in 1 s');
});

test('another day is named', () => {
  assert.equal(timeOfDay(WALL - 86_400_000, WALL), '2026-03-28 12:00:00');
});

test('the last restart is told with its cause', () => {
  const words = restartWords(camera({ last_restart: { age_ms: 61_000, cause: 'killed by signal 9' } }), WALL);
  assert.equal(words, 'Last restart at 11:58:59: Killed by signal 9.');
  assert.equal(restartWords(camera(), WALL), '');
});

test('latency in words', () => {
  const reading = { ms: 22.6, error: 0.4, captured: 0, shown: 0 };
  assert.equal(latencyWords(reading, 'sensor').text, '23 ms');
  assert.match(latencyWords(reading, 'sensor').note, /± 1 ms/);
  assert.equal(latencyWords(reading, 'arrival').text, '> 23 ms');
  assert.equal(latencyWords({ ...reading, error: 40 }, 'sensor').text, 'about 23 ms');
  assert.equal(latencyWords({ ...reading, ms: -0.3 }, 'sensor').text, '0 ms');
  assert.equal(latencyWords(null, 'sensor').text, 'unknown');
});

test('a thin link in words', () => {
  assert.equal(linkWords({ limited: true, estimate: 1_380_000, needed: 2_500_000 }), 'carries 1.4 of 2.5 Mbit/s');
  assert.equal(linkWords({ limited: false, estimate: 1_380_000, needed: 2_500_000 }), '');
  assert.equal(linkWords({ limited: true, estimate: null, needed: 2_500_000 }), '');
  assert.equal(linkWords(null), '');
});

test('a picture that stands still is told with its age, by the clock of this page, while the camera is live', () => {
  const frozen = (/** @type {number} */ since_ms, changes = {}) => camera({ frozen: { since: '', since_ms }, ...changes });
  assert.equal(frozenWords(camera({ frozen: null }), 10_000), '');
  assert.equal(frozenWords(frozen(31_900), 10_000), 'Picture frozen for 31 s');
  assert.equal(frozenWords(frozen(58_000), 12_500), 'Picture frozen for 1 min');
  assert.equal(frozenWords(frozen(8_000_000), 10_000), 'Picture frozen for 2 h');
  assert.equal(frozenWords(frozen(60_000, { state: 'offline' }), 10_000), '');
});
