import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaPlaylist, variant } from '../src/playlist.js';

const MEDIA = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.202000
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-MAP:URI="init-a.mp4"
#EXTINF:1.0,
seg-7.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.500Z
#EXT-X-PART:DURATION=0.1,URI="p0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.05,URI="p1.m4s"
#EXTINF:0.15,
seg-8.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-b.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:06.000Z
#EXT-X-PART:DURATION=0.1,URI="p2.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p3.m4s"
`;

test('parts with their times, and what to wait for', () => {
  const { parts, next, hint, map, ended } = mediaPlaylist(MEDIA);
  assert.deepEqual(parts.map((part) => [part.uri, part.independent, part.map, part.msn, part.index]), [
    ['p0.m4s', true, 'init-a.mp4', 8, 0],
    ['p1.m4s', false, 'init-a.mp4', 8, 1],
    ['p2.m4s', true, 'init-b.mp4', 9, 0],
  ]);
  assert.equal(parts[1].captured, Date.parse('2026-01-02T03:04:05.600Z'));
  assert.equal(parts[2].captured, Date.parse('2026-01-02T03:04:06.000Z'));
  assert.deepEqual(next, { msn: 9, part: 1 });
  assert.deepEqual([hint, map, ended], ['p3.m4s', 'init-b.mp4', false]);
});

test('after a whole segment the next one is waited for', () => {
  const { next, hint } = mediaPlaylist(`${MEDIA}#EXTINF:0.1,\r\nseg-9.m4s\r\n#EXT-X-ENDLIST\r\n`);
  assert.deepEqual(next, { msn: 10, part: 0 });
  assert.equal(hint, 'p3.m4s');
});

test('the first variant', () => {
  const text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS="avc1.42c01f,mp4a.40.2",RESOLUTION=1x1\n\nhls/media.m3u8\n';
  assert.deepEqual(variant(text), { uri: 'hls/media.m3u8', codecs: 'avc1.42c01f,mp4a.40.2' });
  assert.equal(variant(MEDIA), null);
  assert.equal(variant(''), null);
});

test('anything else is read without an error', () => {
  for (const text of ['', 'x', '#EXT-X-PART', '#EXT-X-PART:,,,', '#EXT-X-MAP:URI=', '<html>']) mediaPlaylist(text);
});
