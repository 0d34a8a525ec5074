import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SentMeter, WhipSession, canEncode } from '../src/whip.js';

/** @param {object} entry */
const report = (entry) => new Map([['a', { type: 'inbound-rtp' }], ['b', { type: 'outbound-rtp', kind: 'video', ...entry }]]);

test('the bitrate is that since the last time', () => {
  const meter = new SentMeter();
  assert.equal(meter.read(report({ bytesSent: 1000, timestamp: 5000 })), null);
  const sent = { bytesSent: 126_000, timestamp: 6000, frameWidth: 640, frameHeight: 360, framesPerSecond: 30 };
  assert.deepEqual(meter.read(report(sent)), { width: 640, height: 360, fps: 30, bitrate: 1_000_000 });
  assert.equal(meter.read(report(sent)), null, 'no time has passed');
  assert.equal(meter.read(report({ bytesSent: 0, timestamp: 7000 })), null, 'another session');
  assert.equal(meter.read(new Map()), null);
});

test('a browser without H.264 is told from one that says nothing', () => {
  const with_ = (/** @type {string[] | null} */ types) => {
    const getCapabilities = types && (() => ({ codecs: types.map((mimeType) => ({ mimeType })) }));
    Object.assign(globalThis, { RTCRtpSender: { getCapabilities } });
    return canEncode();
  };
  assert.equal(with_(['video/VP8', 'video/H264']), true);
  assert.equal(with_(['video/VP8', 'video/rtx']), false);
  assert.equal(with_(null), true);
});

test('the answer tells Chrome where to begin, in the line of the picture only', () => {
  const answer = 'a=fmtp:103 packetization-mode=1;profile-level-id=42e034\r\na=fmtp:104 apt=103\r\na=fmtp:111 useinbandfec=1\r\n';
  const lines = WhipSession.prototype.understood(answer).split('\r\n');
  assert.deepEqual(lines, [
    'a=fmtp:103 packetization-mode=1;profile-level-id=42e034;x-google-start-bitrate=1500',
    'a=fmtp:104 apt=103',
    'a=fmtp:111 useinbandfec=1',
    '',
  ]);
});
