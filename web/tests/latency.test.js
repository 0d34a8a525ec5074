import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captureTime, ClockOffset, LatencyMeter } from '../src/latency.js';
import { seeded } from './seeded.js';

const UNIX = 1_790_000_000_000;
const NTP = UNIX + 2_208_988_800_000;

/**
 * Pings over a link with one-way delays from `delay`, against a server clock that is `truth(at)` ahead.
 * @param {{ truth: (at: number) => number, delay: () => number, count: number, every?: number, from?: number, clock?: ClockOffset }} link
 */
function pinged({ truth, delay, count, every = 1000, from = 0, clock = new ClockOffset() }) {
  for (let i = 0; i < count; i += 1) {
    const t0 = from + i * every;
    const read = t0 + delay();
    clock.add(t0, read + delay(), read + truth(read));
  }
  return clock;
}

test('knows nothing before the first answer', () => {
  assert.equal(new ClockOffset().estimate(0), null);
});

test('one exchange bounds the offset by half of its round trip', () => {
  const clock = new ClockOffset();
  clock.add(100, 110, 5105);
  assert.deepEqual(clock.estimate(110), { offset: 5000, error: 5 });
});

test('the bound holds the truth on every link, and jitter that goes away tightens it', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seeded(seed);
    const truth = () => UNIX;
    const clock = pinged({ truth, delay: () => 0.3 + 40 * random() ** 3, count: 40 });
    const { offset, error } = clock.estimate(40_000);
    assert.ok(Math.abs(offset - UNIX) <= error + 1e-3, `seed ${seed}: off by ${offset - UNIX}, claims ${error}`);
    assert.ok(error < 8, `seed ${seed}: ${error}`);
  }
});

test('finds the fastest way out and the fastest way back in different exchanges', () => {
  const clock = new ClockOffset();
  clock.add(0, 21, 1 + 700); // 1 ms out, 20 ms back
  clock.add(100, 121, 120 + 700); // 20 ms out, 1 ms back
  const { offset, error } = clock.estimate(121);
  assert.ok(Math.abs(offset - 700) < 0.1, `${offset}`);
  assert.ok(error < 1.1, `${error}`);
});

test('follows clocks that drift apart by 80 ppm', () => {
  const random = seeded(7);
  const truth = (/** @type {number} */ at) => UNIX + at * 80e-6;
  const clock = pinged({ truth, delay: () => 0.5 + 2 * random(), count: 600 });
  const { offset, error } = clock.estimate(600_000);
  assert.ok(Math.abs(offset - truth(600_000)) <= error + 1e-3);
  assert.ok(error < 2, `${error}`);
});

test('grows unsure while nothing is heard', () => {
  const clock = pinged({ truth: () => UNIX, delay: () => 1, count: 10 });
  const soon = clock.estimate(10_000)?.error ?? NaN;
  assert.ok((clock.estimate(70_000)?.error ?? NaN) > soon + 4);
});

test('a clock that was set is believed with the next exchange', () => {
  const clock = pinged({ truth: () => UNIX, delay: () => 1, count: 30 });
  pinged({ truth: () => UNIX - 3_600_000, delay: () => 1, count: 1, from: 30_000, clock });
  assert.ok(Math.abs((clock.estimate(30_002)?.offset ?? NaN) - (UNIX - 3_600_000)) <= 1.01);
});

test('capture time follows the RTP timestamps, also across their roll-over', () => {
  assert.equal(captureTime({ captureTimestamp: NTP, rtpTimestamp: 9000 }, 9000), UNIX);
  assert.equal(captureTime({ captureTimestamp: NTP, rtpTimestamp: 9000 }, 6000), UNIX - 3000 / 90);
  assert.equal(captureTime({ captureTimestamp: NTP, rtpTimestamp: 0xffff_fff0 }, 2984), UNIX + 3000 / 90);
});

test('capture time is unknown rather than wrong', () => {
  assert.equal(captureTime({ rtpTimestamp: 9000 }, 9000), null);
  assert.equal(captureTime({ captureTimestamp: NTP, rtpTimestamp: 9000 }, 9000 + 90_000 * 10), null);
});

test('latency is shown minus captured on the server clock', () => {
  const clock = new ClockOffset();
  clock.add(1000, 1002, UNIX + 1001);
  const meter = new LatencyMeter(clock);
  const reading = meter.frame(1050, captureTime({ captureTimestamp: NTP + 1027, rtpTimestamp: 9000 }, 9000));
  assert.ok(reading);
  assert.ok(Math.abs(reading.ms - 23) < 0.1, `${reading.ms}`);
  assert.equal(reading.captured, UNIX + 1027);
  assert.equal(Math.round(reading.shown), UNIX + 1050);
});

test('the median of a second speaks, and silence ends it', () => {
  const clock = new ClockOffset();
  clock.add(0, 0, UNIX);
  const meter = new LatencyMeter(clock);
  for (let i = 0; i < 31; i += 1) {
    const ms = i === 20 ? 400 : 20;
    meter.frame(i * 33, UNIX + i * 33 - ms);
  }
  assert.equal(Math.round(meter.current(1000)?.ms ?? NaN), 20);
  assert.equal(meter.current(5000), null);
  meter.clear();
  assert.equal(meter.current(1000), null);
});

test('without a clock or a capture time there is no latency', () => {
  const clock = new ClockOffset();
  const meter = new LatencyMeter(clock);
  assert.equal(meter.frame(10, UNIX), null);
  clock.add(0, 0, UNIX);
  assert.equal(meter.frame(10, null), null);
  assert.equal(captureTime({ rtpTimestamp: 0 }, 0), null);
  assert.equal(meter.current(10), null);
});
