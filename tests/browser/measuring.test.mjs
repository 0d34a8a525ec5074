// `node --test tests/browser`: what the measurement is built on, without a browser.

import assert from "node:assert/strict";
import test from "node:test";
import { clockBlocks, clockRegion, crc16, readClock } from "./clock.mjs";
import { percentiles, since, summarise } from "./summary.mjs";

function draw(millis, frame, width, height, shades = [235, 16]) {
  const region = clockRegion(width, height);
  const pixels = new Uint8ClampedArray(region.w * region.h * 4).fill(shades[1]);
  for (const { x, y, w, h, white } of clockBlocks(millis, frame, width, height)) {
    for (let row = y; row < y + h; row++) {
      const at = ((row - region.y) * region.w + x - region.x) * 4;
      pixels.fill(shades[white ? 0 : 1], at, at + w * 4);
    }
  }
  return { pixels, region };
}

test("the checksum is the published one", () => {
  assert.equal(crc16([..."123456789"].map((c) => c.charCodeAt(0))), 0x29b1);
});

test("every size and value is read back", () => {
  for (const [width, height] of [[160, 90], [320, 240], [854, 480], [1280, 720], [1920, 1080], [720, 1280]]) {
    for (const millis of [0, 0xffffffff, 0x5555aaaa, 1]) {
      const frame = (millis >>> 3) & 0xffff;
      const { pixels, region } = draw(millis, frame, width, height);
      assert.deepEqual(readClock(pixels, region, width, height), { millis, frame });
    }
  }
});

test("a wrong bit or too little contrast is no clock", () => {
  const { pixels, region } = draw(77, 1, 640, 360);
  const middle = draw(78, 1, 640, 360).pixels;
  pixels.set(middle.subarray(0, pixels.length / 2));
  assert.equal(readClock(pixels, region, 640, 360), null);
  assert.equal(readClock(draw(77, 1, 640, 360, [60, 16]).pixels, region, 640, 360), null);
});

test("ages survive the wrap of 32 bits", () => {
  const wall = 400 * 2 ** 32 + 5.5;
  assert.equal(since(0, wall), 5.5);
  assert.equal(since(0xffffffff, wall), 6.5);
});

test("a summary counts what was lost, shown again, and late", () => {
  const start = 1_700_000_000_000;
  const low = Number(BigInt.asUintN(32, BigInt(start)));
  const shown = (frame, at, count) => ({
    at: start + at, presented: start + at - 8, displayed: start + at + 8, frames: count,
    clock: { millis: (low + frame * 33) >>> 0, frame: (65530 + frame) & 0xffff },
  });
  const frames = [shown(0, 10, 100), shown(1, 43, 101), shown(1, 60, 102), shown(7, 260, 103), { ...shown(8, 280, 104), clock: null }];
  const report = summarise(frames, 1);
  assert.deepEqual([report.presented, report.missing, report.repeated, report.backwards, report.unreadable], [5, 5, 1, 0, 1]);
  assert.equal(report.longest_gap_ms, 200);
  assert.deepEqual([report.latency_ms.min, report.latency_ms.max], [10, 29]);
  assert.deepEqual(percentiles([]), { count: 0, min: null, p50: null, p95: null, p99: null, max: null });
});
