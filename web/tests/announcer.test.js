import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Announcer } from '../src/announcer.js';

test('speaks once about what has settled, and never of what is over', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const region = /** @type {HTMLElement} */ (/** @type {unknown} */ ({ textContent: '' }));
  const announcer = new Announcer(region);
  announcer.update('front', 'live');
  announcer.update('yard', 'offline');
  mock.timers.tick(2000);
  assert.equal(region.textContent, 'front: live. yard: offline');

  announcer.update('front', 'stalled');
  mock.timers.tick(500);
  announcer.update('front', 'live');
  mock.timers.tick(2000);
  assert.equal(region.textContent, 'front: live. yard: offline');

  announcer.update('front', 'offline');
  mock.timers.tick(2000);
  assert.equal(region.textContent, 'front: offline');
  announcer.keep(new Set(['yard']));
  announcer.update('yard', 'live');
  mock.timers.tick(2000);
  assert.equal(region.textContent, 'yard: live');
  mock.timers.reset();
});

test('much news at once is told in numbers', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const region = /** @type {HTMLElement} */ (/** @type {unknown} */ ({ textContent: '' }));
  const announcer = new Announcer(region);
  for (let i = 0; i < 20; i += 1) announcer.update(`camera-${i}`, i < 17 ? 'live' : 'offline, No route to host.');
  mock.timers.tick(2000);
  assert.equal(region.textContent, '17 live, 3 offline');
  mock.timers.reset();
});
