// What a list of shown frames says. Pure: runs in the page and in Node's tests alike.

// Milliseconds from `millis`, the low 32 bits of a wall clock, to `wall`, on the same clock.
export function since(millis, wall) {
  const whole = Math.floor(wall);
  const low = Number(BigInt.asUintN(32, BigInt(whole)));
  return ((low - millis) | 0) + (wall - whole);
}

export function percentiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (p) => (sorted.length ? round(sorted[Math.min(sorted.length - 1, Math.floor((p / 100) * sorted.length))]) : null);
  return { count: sorted.length, min: at(0), p50: at(50), p95: at(95), p99: at(99), max: at(100) };
}

// `frames`: what a Probe collected, in order. `seconds`: for how long.
export function summarise(frames, seconds) {
  const withClock = frames.filter((f) => f.clock);
  const gaps = frames.slice(1).map((f, i) => f.at - frames[i].at);
  const presented = frames.length ? frames[frames.length - 1].frames - frames[0].frames + 1 : 0;
  return {
    seconds: round(seconds),
    presented,
    fps: round(presented / seconds),
    callbacks: frames.length,
    unreadable: frames.length - withClock.length,
    ...continuity(withClock),
    longest_gap_ms: round(Math.max(0, ...gaps)),
    latency_ms: percentiles(withClock.map((f) => since(f.clock.millis, f.at))),
    latency_presented_ms: percentiles(withClock.map((f) => since(f.clock.millis, f.presented))),
    latency_displayed_ms: percentiles(withClock.map((f) => since(f.clock.millis, f.displayed))),
  };
}

// Frames of the source that were never seen, seen again, and seen out of order.
function continuity(frames) {
  let [missing, repeated, backwards] = [0, 0, 0];
  for (let i = 1; i < frames.length; i++) {
    const step = ((frames[i].clock.frame - frames[i - 1].clock.frame) << 16) >> 16;
    if (step === 0) repeated++;
    else if (step < 0) backwards++;
    else missing += step - 1;
  }
  return { missing, repeated, backwards };
}

export function round(value) {
  return Math.round(value * 100) / 100;
}
