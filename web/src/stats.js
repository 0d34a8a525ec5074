/**
 * @typedef {object} Totals counters since the session began
 * @property {number} at local time of the reading
 * @property {number} bytes
 * @property {number} packets received
 * @property {number} lost packets that never came
 * @property {number} repaired packets that came again after they were lost
 * @property {number} nacks requests to send packets again
 * @property {number} decoded frames
 * @property {number} dropped frames that came too late to be shown
 * @property {number} freezes
 * @property {number} frozenFor seconds
 * @property {number} bufferDelay seconds, summed over `buffered`
 * @property {number} buffered frames that left the jitter buffer
 *
 * @typedef {object} Stats what the person asking for help is asked for
 * @property {number | null} bitrate bit/s
 * @property {number | null} bufferMs how long the browser held frames back, on average
 * @property {string | null} codec
 * @property {number | null} width
 * @property {number | null} height
 * @property {number | null} rtt ms
 * @property {number | null} lost null, as those that follow, where there are no packets to count
 * @property {number | null} repaired
 * @property {number | null} nacks
 * @property {number} decoded
 * @property {number} dropped
 * @property {number | null} freezes
 * @property {number | null} frozenFor
 */

/** @returns {Stats} what a way of playing knows that counts nothing */
export function noStats() {
  const unknown = { bitrate: null, bufferMs: null, codec: null, width: null, height: null, rtt: null };
  return { ...unknown, lost: null, repaired: null, nacks: null, decoded: 0, dropped: 0, freezes: null, frozenFor: null };
}

/** Bits a second, from one call to the next. */
export class Throughput {
  #bytes = 0;
  #at = 0;

  /**
   * @param {number} bytes since the beginning
   * @param {number} at local time
   * @returns {number | null} null at the first call
   */
  rate(bytes, at) {
    const rate = this.#at > 0 && at > this.#at ? ((bytes - this.#bytes) * 8000) / (at - this.#at) : null;
    this.#bytes = bytes;
    this.#at = at;
    return rate;
  }
}

/**
 * Boils a report of `getStats` down to counters and facts.
 * @param {Iterable<Record<string, any>>} report its values
 * @param {number} at local time
 * @returns {{ totals: Totals, codec: string | null, width: number | null, height: number | null, rtt: number | null }}
 */
export function digest(report, at) {
  const entries = [...report];
  const video = entries.find((s) => s.type === 'inbound-rtp' && s.kind === 'video') ?? {};
  const codec = entries.find((s) => s.id === video.codecId);
  const transport = entries.find((s) => s.type === 'transport');
  const pair = entries.find((s) => s.type === 'candidate-pair' && (s.id === transport?.selectedCandidatePairId || s.selected));
  const rtt = pair?.currentRoundTripTime;
  return {
    totals: totals(video, at),
    codec: codec?.mimeType?.split('/')[1] ?? null,
    width: video.frameWidth ?? null,
    height: video.frameHeight ?? null,
    rtt: rtt === undefined ? null : rtt * 1000,
  };
}

/**
 * @param {Record<string, any>} video
 * @param {number} at
 * @returns {Totals}
 */
function totals(video, at) {
  return {
    at,
    bytes: video.bytesReceived ?? 0,
    packets: video.packetsReceived ?? 0,
    lost: Math.max(0, video.packetsLost ?? 0),
    repaired: video.retransmittedPacketsReceived ?? 0,
    nacks: video.nackCount ?? 0,
    decoded: video.framesDecoded ?? 0,
    dropped: video.framesDropped ?? 0,
    freezes: video.freezeCount ?? 0,
    frozenFor: video.totalFreezesDuration ?? 0,
    bufferDelay: video.jitterBufferDelay ?? 0,
    buffered: video.jitterBufferEmittedCount ?? 0,
  };
}

/**
 * Statistics of the time between two digests.
 * @param {ReturnType<typeof digest>} now
 * @param {ReturnType<typeof digest> | null} before
 * @returns {Stats}
 */
export function summary(now, before) {
  const { totals: to, codec, width, height, rtt } = now;
  const from = before?.totals;
  const seconds = from ? (to.at - from.at) / 1000 : 0;
  const frames = from ? to.buffered - from.buffered : 0;
  const { lost, repaired, nacks, decoded, dropped, freezes, frozenFor } = to;
  return {
    bitrate: from && seconds > 0 ? Math.max(0, ((to.bytes - from.bytes) * 8) / seconds) : null,
    bufferMs: from && frames > 0 ? ((to.bufferDelay - from.bufferDelay) * 1000) / frames : null,
    ...{ codec, width, height, rtt, lost, repaired, nacks, decoded, dropped, freezes, frozenFor },
  };
}

/** Frames really shown a second, counted over the last two seconds. */
export class FrameRate {
  /** @type {{ at: number, count: number }[]} */
  #marks = [];

  /**
   * @param {number} at local time
   * @param {number} count frames shown since the beginning
   */
  mark(at, count) {
    if (count < (this.#marks.at(-1)?.count ?? 0)) this.#marks = [];
    this.#marks.push({ at, count });
    while (this.#marks.length > 2 && at - this.#marks[0].at > 2000) this.#marks.shift();
  }

  /**
   * @param {number} now local time
   * @returns {number} 0 when nothing was shown for a second
   */
  rate(now) {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (!first || !last || first === last || now - last.at > 1000) return 0;
    return ((last.count - first.count) * 1000) / (last.at - first.at);
  }
}
