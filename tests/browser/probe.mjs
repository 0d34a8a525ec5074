// Watches a <video>, an <img>, or a player of the page, whatever it shows its pictures on: which frame was shown when, by the
// clock in the picture.

import { clockRegion, readClock } from "./clock.mjs";
import { since, summarise } from "./summary.mjs";

const MOST_FRAMES = 100_000;

// A frame as it was shown, times in ms of the wall clock:
// - `at`: when the page was told of it and could read it. That cannot be too early, and is what latency means in these tests.
// - `presented`: when the browser took it up for the next screen refresh.
// - `displayed`: when the browser expected it to be visible. An estimate, which depending on the phase of the browser's refresh
//   lies between 0 and 17 ms after `presented`; on a busy machine it may be a refresh that the frame missed, so never before that.
// - `frames`: the browser's count of presented frames.
// - `clock`: what the clock in the picture says, null if unreadable.

// Wall clock minus `performance.now()`, in ms. `Date.now()` has whole milliseconds only, rounded down, so look at the moment it
// changes; whatever comes between the two readings makes the difference too small, never too large.
function wallOffset() {
  const tries = Array.from({ length: 10 }, () => {
    const start = Date.now();
    while (Date.now() === start);
    return Date.now() - performance.now();
  });
  return Math.max(...tries);
}

export class Probe {
  #canvas = new OffscreenCanvas(16, 16);
  #context = this.#canvas.getContext("2d", { willReadFrequently: true });
  #waiting = [];

  constructor(video, tell) {
    this.video = video;
    this.frames = [];
    this.offset = wallOffset();
    if (tell) tell((now, meta, element) => this.#shown(now, meta, element));
    else if (video instanceof HTMLImageElement) this.#refresh();
    else this.#next();
  }

  #next() {
    this.video.requestVideoFrameCallback((_, meta) => {
      const now = performance.now();
      this.#next();
      this.#shown(now, meta);
    });
  }

  // An image tells nobody of its frames: look at every screen refresh.
  #refresh() {
    requestAnimationFrame(() => {
      this.#refresh();
      const { naturalWidth: width, naturalHeight: height } = this.video;
      const clock = this.#clock(this.video, width, height);
      const last = this.frames.at(-1);
      if (!clock || clock.frame === last?.clock.frame) return;
      const at = performance.now();
      this.#keep({ at: at + this.offset, presented: at + this.offset, displayed: at + this.offset, frames: (last?.frames ?? 0) + 1, clock });
    });
  }

  #shown(now, meta, element = this.video) {
    const frame = {
      at: now + this.offset,
      presented: meta.presentationTime + this.offset,
      displayed: Math.max(meta.expectedDisplayTime, meta.presentationTime) + this.offset,
      frames: meta.presentedFrames,
      clock: this.#clock(element, meta.width, meta.height),
    };
    this.#keep(frame);
  }

  #keep(frame) {
    if (this.frames.length === MOST_FRAMES) this.frames.splice(0, MOST_FRAMES / 2);
    this.frames.push(frame);
    this.#waiting = this.#waiting.filter((wait) => !wait(frame));
  }

  #clock(element, width, height) {
    const region = clockRegion(width, height);
    if (this.#canvas.width !== region.w || this.#canvas.height !== region.h) {
      Object.assign(this.#canvas, { width: region.w, height: region.h });
    }
    this.#context.drawImage(element, region.x, region.y, region.w, region.h, 0, 0, region.w, region.h);
    return readClock(this.#context.getImageData(0, 0, region.w, region.h).data, region, width, height);
  }

  // The first frame from now on for which `wanted` is true.
  until(wanted, timeout) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no such frame within ${timeout} ms`)), timeout);
      this.#waiting.push((frame) => {
        if (!wanted(frame)) return false;
        clearTimeout(timer);
        resolve(frame);
        return true;
      });
    });
  }

  // Collects for `seconds` and sums up.
  async measure(seconds) {
    this.offset = wallOffset();
    const first = this.frames.length;
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    return summarise(this.frames.slice(first), (performance.now() - start) / 1000);
  }
}

// Frames as a player of the page tells them, shown on whatever is not hidden within `stage`.
export function tellByPlayer(player, stage) {
  let frames = 0;
  return (shown) =>
    player.addEventListener("frame", () => {
      const now = performance.now();
      const element = [...stage.querySelectorAll("video, .picture")].find((e) => !e.hidden);
      const [width, height] = [element.videoWidth ?? element.width, element.videoHeight ?? element.height];
      frames += 1;
      if (width > 0) shown(now, { width, height, presentationTime: now, expectedDisplayTime: now, presentedFrames: frames }, element);
    });
}

export function latencyOf(frame) {
  return frame.clock ? since(frame.clock.millis, frame.at) : Infinity;
}
