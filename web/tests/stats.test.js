import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest, FrameRate, summary } from '../src/stats.js';

/** @param {object} video */
function report(video) {
  return [
    { type: 'codec', id: 'c', mimeType: 'video/H264' },
    { type: 'transport', id: 't', selectedCandidatePairId: 'p' },
    { type: 'candidate-pair', id: 'q', currentRoundTripTime: 9 },
    { type: 'candidate-pair', id: 'p', currentRoundTripTime: 0.012 },
    { type: 'inbound-rtp', kind: 'audio', bytesReceived: 9e9 },
    { type: 'inbound-rtp', kind: 'video', codecId: 'c', frameWidth: 1280, frameHeight: 720, ...video },
  ];
}

test('rates come from the difference of two reports', () => {
  const before = digest(report({ bytesReceived: 1_000_000, jitterBufferDelay: 1, jitterBufferEmittedCount: 100 }), 1000);
  const after = digest(report({ bytesReceived: 1_250_000, jitterBufferDelay: 1.15, jitterBufferEmittedCount: 130, packetsLost: 7, retransmittedPacketsReceived: 6, nackCount: 3 }), 2000);
  const stats = summary(after, before);
  assert.equal(stats.bitrate, 2_000_000);
  assert.equal(Math.round(stats.bufferMs ?? NaN), 5);
  assert.deepEqual([stats.lost, stats.repaired, stats.nacks], [7, 6, 3]);
  assert.deepEqual([stats.codec, stats.width, stats.height, stats.rtt], ['H264', 1280, 720, 12]);
});

test('the first report has counters but no rates', () => {
  const stats = summary(digest(report({ bytesReceived: 5 }), 0), null);
  assert.equal(stats.bitrate, null);
  assert.equal(stats.bufferMs, null);
});

test('a report without video is all zeros, and a negative loss is none', () => {
  assert.equal(summary(digest([], 0), null).decoded, 0);
  assert.equal(digest(report({ packetsLost: -3 }), 0).totals.lost, 0);
});

test('the frame rate counts what was shown, between first and last frame', () => {
  const rate = new FrameRate();
  assert.equal(rate.rate(0), 0);
  for (let i = 0; i <= 90; i += 1) rate.mark((i * 1000) / 30, i);
  assert.ok(Math.abs(rate.rate(3000) - 30) < 0.01);
  assert.equal(rate.rate(4100), 0);
});

test('frames that the callback missed are counted', () => {
  const rate = new FrameRate();
  for (let i = 0; i <= 15; i += 1) rate.mark((i * 1000) / 15, i * 2);
  assert.ok(Math.abs(rate.rate(1000) - 30) < 0.01);
});
