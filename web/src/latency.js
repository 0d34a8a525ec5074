/**
 * True latency: from the light on the sensor to the picture on this screen.
 *
 * The server writes the capture time of each frame, on its own wall clock, into the RTP header extension
 * abs-capture-time. This module knows how far that clock is from this page's clock, and does the arithmetic.
 * All times are milliseconds. "Local" is the clock of `performance.now()`, which never steps.
 */

/** From the NTP epoch (1900), which captureTimestamp counts from, to the Unix epoch (RFC 5905 §6). */
const NTP_TO_UNIX = 2_208_988_800_000;

/** How much two crystals may drift apart: 100 ppm is beyond what computers are sold with. */
const DRIFT = 100e-6;

/** Exchanges older than this teach nothing that newer ones do not. */
const WINDOW = 60_000;

/**
 * The distance from the local clock to the server's wall clock.
 *
 * Each ping proves an interval: the server read its clock after the ping left (t0) and before the answer came (t1),
 * so `server - t1 <= offset <= server - t0`. The truth lies in the intersection of all recent intervals, each widened
 * by what the clocks may have drifted since. This picks the fastest way out and the fastest way back separately,
 * which a minimum of round trips would not. An interval outside the intersection means that a clock was set.
 */
export class ClockOffset {
  /** @type {{ at: number, low: number, high: number }[]} */
  #proofs = [];

  /**
   * Learns from one ping.
   * @param {number} t0 local time just before the ping was sent
   * @param {number} t1 local time when its answer arrived
   * @param {number} server the server's wall clock in between, Unix ms
   */
  add(t0, t1, server) {
    const proof = { at: t1, low: server - t1, high: server - t0 };
    const known = this.#intersect(t1);
    if (known && (proof.low > known.high || proof.high < known.low)) this.#proofs = [];
    this.#proofs = this.#proofs.filter((p) => t1 - p.at < WINDOW);
    this.#proofs.push(proof);
  }

  /**
   * The offset to add to a local time to get the server's time, and how wrong it can be at most.
   * @param {number} now local time
   * @returns {{ offset: number, error: number } | null} null until the first ping is answered
   */
  estimate(now) {
    const known = this.#intersect(now);
    return known && { offset: (known.low + known.high) / 2, error: (known.high - known.low) / 2 };
  }

  /** @param {number} now */
  #intersect(now) {
    if (this.#proofs.length === 0) return null;
    let low = -Infinity;
    let high = Infinity;
    for (const proof of this.#proofs) {
      const drift = Math.max(0, now - proof.at) * DRIFT;
      low = Math.max(low, proof.low - drift);
      high = Math.min(high, proof.high + drift);
    }
    // Drift beyond the bound or a clock being slewed: take the middle rather than nothing.
    return low <= high ? { low, high } : { low: high, high: low };
  }
}

/** @typedef {{ captureTimestamp?: number, rtpTimestamp: number }} CaptureSource what the receiver knows of a frame */

/** Two frames further apart than this are not on one line: the stream's timestamps jumped. */
const SAME_LINE = 2_000;

/**
 * When a frame was captured.
 * @param {CaptureSource} source the newest frame that the receiver took apart
 * @param {number} rtpTimestamp of the frame that is shown
 * @param {number} [rate] ticks a second of the RTP clock
 * @returns {number | null} Unix ms on the server's clock, or null where it is not known
 */
export function captureTime(source, rtpTimestamp, rate = 90_000) {
  if (!source.captureTimestamp) return null;
  // `| 0` makes the difference of two 32-bit counters right across their roll-over.
  const ahead = (((rtpTimestamp - source.rtpTimestamp) | 0) * 1000) / rate;
  return Math.abs(ahead) > SAME_LINE ? null : source.captureTimestamp - NTP_TO_UNIX + ahead;
}

/**
 * @typedef {object} Reading one frame's latency
 * @property {number} ms capture to shown
 * @property {number} error how wrong `ms` can be at most because of the clocks
 * @property {number} captured Unix ms on the server's clock
 * @property {number} shown Unix ms on the server's clock
 */

/** The latency of the frames of the last second; the median speaks for them. */
export class LatencyMeter {
  #clock;
  /** @type {{ at: number, reading: Reading }[]} */
  #recent = [];

  /** @param {ClockOffset} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /**
   * Takes in a frame.
   * @param {number} shown local time at which the frame is on the screen
   * @param {number | null} captured Unix ms on the server's clock
   * @returns {Reading | null} null where the latency is not known
   */
  frame(shown, captured) {
    const clock = this.#clock.estimate(shown);
    if (!clock || captured === null) return null;
    const ms = shown + clock.offset - captured;
    const reading = { ms, error: clock.error, captured, shown: shown + clock.offset };
    this.#recent = this.#recent.filter((r) => shown - r.at < 1000);
    this.#recent.push({ at: shown, reading });
    return reading;
  }

  /**
   * The newest reading, with the median of the last second as its `ms`.
   * @param {number} now local time
   * @returns {Reading | null} null if nothing was measured within two seconds
   */
  current(now) {
    const newest = this.#recent.at(-1);
    if (!newest || now - newest.at > 2000) return null;
    const sorted = this.#recent.map((r) => r.reading.ms).sort((a, b) => a - b);
    return { ...newest.reading, ms: sorted[sorted.length >> 1] };
  }

  /** Forgets everything: another stream begins. */
  clear() {
    this.#recent = [];
  }
}
