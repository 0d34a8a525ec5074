import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, CaptureTimes, KIND, Lateness, packet } from '../src/media.js';
import { Multipart } from '../src/multipart.js';
import { seeded } from './seeded.js';

test('a message is taken apart', () => {
  const message = new Uint8Array(27);
  const view = new DataView(message.buffer);
  view.setUint8(0, KIND.picture);
  view.setUint8(1, 1 | 4 | (2 << 4));
  view.setUint8(2, 24);
  view.setUint8(3, 5);
  view.setUint32(4, 33_333);
  view.setBigInt64(8, -7n);
  view.setBigInt64(16, 1_790_000_000_123_456n);
  message.set([1, 2, 3], 24);
  const { data, ...rest } = packet(message.buffer) ?? assert.fail();
  assert.deepEqual([...data], [1, 2, 3]);
  const expected = { kind: 1, key: true, gap: false, behind: true, track: 5, duration: 33_333, pts: -7, captured: 1_790_000_000_123.456, clock: 'sender_report' };
  assert.deepEqual(rest, expected);
});

test('a header that grows is skipped, one that lies is refused', () => {
  const message = new Uint8Array(40);
  message[2] = 30;
  assert.equal(packet(message.buffer)?.data.length, 10);
  assert.equal(packet(message.buffer)?.captured, null);
  message[2] = 41;
  assert.equal(packet(message.buffer), null);
  message[2] = 23;
  assert.equal(packet(message.buffer), null);
  assert.equal(packet(new ArrayBuffer(23)), null);
});

test('Base64', () => {
  assert.deepEqual([...bytes('AWQAHw==')], [1, 100, 0, 31]);
});

test('capture times are found by presentation time, and forgotten', () => {
  const times = new CaptureTimes(8);
  for (let i = 0; i < 100; i += 1) times.add(i * 33_333, i);
  assert.equal(times.of(98 * 33_333 + 900), 98);
  assert.equal(times.of(97 * 33_333), null, 'it was shown before');
  assert.equal(times.of(99 * 33_333), 99);
  assert.equal(times.of(5), null);
});

test('lateness is measured against the earliest of the last moments', () => {
  const random = seeded(3);
  const lateness = new Lateness(2000);
  for (let i = 0; i < 300; i += 1) {
    const late = i % 10 === 0 ? 0 : random() * 50;
    const found = lateness.of(i * 33 + 500 + late, i * 33);
    assert.ok(Math.abs(found - late) < 1e-6, `${found} is not ${late}`);
  }
  // A way that has become longer is the new normal after a while.
  assert.ok(lateness.of(300 * 33 + 600, 300 * 33) > 90);
  for (let i = 301; i < 365; i += 1) lateness.of(i * 33 + 600, i * 33);
  assert.ok(lateness.of(365 * 33 + 600, 365 * 33) < 1);
});

const PART = '--b\r\nContent-Type: image/jpeg\r\nX-Timestamp: 12.5\r\nContent-Length: 5\r\n\r\n\r\nab\r\r\n';

test('parts come back whole, however the answer is cut', () => {
  const whole = new TextEncoder().encode(PART.repeat(20));
  const random = seeded(5);
  for (let run = 0; run < 50; run += 1) {
    const parser = new Multipart();
    const found = [];
    for (let at = 0; at < whole.length; ) {
      const end = Math.min(whole.length, at + 1 + Math.floor(random() * 40));
      found.push(...parser.push(whole.slice(at, end)));
      at = end;
    }
    assert.equal(found.length, 20);
    for (const { headers, body } of found) {
      assert.equal(headers.get('x-timestamp'), '12.5');
      assert.equal(new TextDecoder().decode(body), '\r\nab\r');
    }
  }
});

test('what is no multipart answer is refused instead of kept', () => {
  const push = (/** @type {string} */ text) => new Multipart().push(new TextEncoder().encode(text));
  assert.throws(() => push('--b\r\nContent-Type: image/jpeg\r\n\r\n'), /length/);
  assert.throws(() => push('x'.repeat(5000)), /headers/);
  assert.throws(() => push('--b\r\nContent-Length: 99999999999\r\n\r\n'), /length/);
});
