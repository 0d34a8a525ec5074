import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chase } from '../src/chase.js';
import { seeded } from './seeded.js';

const FRAME = 1 / 30;

/**
 * A viewer in virtual time: frames arrive with a delay, the picture moves on at the rate that the chase sets and stands still when
 * there is nothing to show. Gives what was in the buffer at each arrival, in ms, over the last half of the time.
 * @param {(i: number) => number} delay of frame `i` in seconds
 * @param {{ frames?: number, start?: number }} [options]
 */
function play(delay, { frames = 900, start = 0 } = {}) {
  const chase = new Chase();
  let [now, position, end, rate] = [0, 0, start, 1];
  const left = [];
  let seeks = 0;
  let stalls = 0;
  for (let i = 0; i < frames; i += 1) {
    const at = Math.max(now, i * FRAME + delay(i));
    const next = position + (at - now) * rate;
    if (next > end) {
      stalls += 1;
      chase.stalled();
    }
    position = Math.min(next, end);
    now = at;
    const before = end;
    end += FRAME;
    if (i > frames / 2) left.push((before - position) * 1000);
    const move = chase.arrived(now * 1000, position, before, end);
    rate = move.rate;
    if (move.seek !== null) {
      position = move.seek;
      seeks += 1;
    }
  }
  return { left: left.sort((a, b) => a - b), seeks, stalls, chase };
}

test('with frames on time little is left in the buffer when the next one comes', () => {
  const { left, seeks } = play(() => 0, { start: 0.3 });
  assert.equal(seeks, 0, 'that was caught up by speed');
  assert.ok(left[left.length >> 1] < 25, `${left[left.length >> 1]} ms`);
  assert.ok(left[0] >= 0);
});

test('frames that come unevenly are given as much room as they need, and hardly ever stall', () => {
  const random = seeded(1);
  const { left, stalls } = play(() => random() * 0.04, { frames: 3000 });
  assert.ok(left[left.length >> 1] < 60, `${left[left.length >> 1]} ms`);
  assert.ok(stalls < 60, `${stalls} stalls in 100 s`);
});

test('far behind it jumps to just before the end, once', () => {
  const { seeks, left } = play(() => 0, { start: 4 });
  assert.equal(seeks, 1);
  assert.ok(left[left.length >> 1] < 40, `${left[left.length >> 1]} ms`);
});

test('a burst after a pause ends in a jump or two, not in one for each frame', () => {
  // Two seconds without anything, then all that was missed at once.
  const { seeks } = play((i) => (i >= 300 && i < 360 ? (360 - i) * FRAME : 0), { frames: 900 });
  assert.ok(seeks >= 1 && seeks <= 2, `${seeks} jumps`);
});

test('stalls raise the goal, quiet lowers it again', () => {
  const chase = new Chase();
  const before = chase.goal;
  for (let i = 0; i < 10; i += 1) chase.stalled();
  assert.ok(chase.goal > before + 0.04);
  for (let i = 0; i < 3000; i += 1) chase.arrived(i * 33, i / 30, i / 30 + 0.05, i / 30 + 0.08);
  assert.equal(chase.goal, before);
  for (let i = 0; i < 1000; i += 1) chase.stalled();
  assert.ok(chase.goal <= 0.4);
});

test('a machine that stood still is not held back for the time that its clock went on', () => {
  const chase = new Chase();
  const arrived = (/** @type {number} */ now, /** @type {number} */ position, /** @type {number} */ end) =>
    chase.arrived(now, position, end - FRAME, end);
  for (let i = 0; i < 60; i += 1) arrived(i * 33, i * FRAME, (i + 1) * FRAME + 0.01);
  // For two seconds nothing came, but what was "played" went on; then come first the frames that were missed.
  assert.deepEqual(arrived(4000, 4, 2.1), { rate: 1, seek: null });
  const { rate } = arrived(4010, 4, 4 + 4 * FRAME);
  assert.ok(rate > 1, `${rate}`);
});

test('what came at once after a pause is caught up from at once, not after the moments that the pause was remembered', () => {
  const chase = new Chase();
  for (let i = 0; i < 60; i += 1) chase.arrived(i * 33, i * FRAME, (i + 1) * FRAME, (i + 2) * FRAME);
  chase.arrived(2500, 2.1, 2.1, 2.5);
  const { rate } = chase.arrived(2533, 2.13, 2.5, 2.5 + FRAME);
  assert.ok(rate > 1.3, `${rate}`);
});
