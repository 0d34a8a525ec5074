import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../src/backoff.js';

test('grows to its cap and stays there for ever', () => {
  const backoff = new Backoff({ first: 250, cap: 5000, random: () => 1 });
  const delays = Array.from({ length: 2000 }, () => backoff.next());
  assert.deepEqual(delays.slice(0, 7), [250, 500, 1000, 2000, 4000, 5000, 5000]);
  assert.ok(delays.slice(5).every((delay) => delay === 5000));
  assert.equal(backoff.failures, 2000);
});

test('jitter takes off at most half', () => {
  const least = new Backoff({ first: 400, random: () => 0 });
  assert.equal(least.next(), 200);
  const some = new Backoff();
  for (let i = 0; i < 1000; i += 1) assert.ok(some.next() <= 5000);
});

test('begins anew after a success', () => {
  const backoff = new Backoff({ first: 100, random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 100);
});
