import { WebrtcSession, offerCaptureTime } from './session.js';

/** Where Chrome begins, in kbit/s. By itself it begins at 300, which is a blurred picture for the first seconds. */
const BEGIN_AT = 1500;

/** One publish session by WHIP (RFC 9725). */
export class WhipSession extends WebrtcSession {
  /**
   * @param {URL | string} url the WHIP endpoint
   * @param {MediaStream} stream what to publish
   * @param {number} bitrate of the picture at most, in bit/s; what the network carries is found out by the browser
   */
  constructor(url, stream, bitrate) {
    super(url, {
      never: 'Your picture does not get through to the server. A firewall may be blocking it.',
      lost: 'Your picture no longer gets through to the server.',
    });
    for (const track of stream.getTracks()) {
      const sendEncodings = track.kind === 'video' ? [{ maxBitrate: bitrate }] : undefined;
      const transceiver = this.pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings });
      if (track.kind === 'video') offerCaptureTime(transceiver);
    }
  }

  /** @param {string} sdp */
  understood(sdp) {
    return sdp.replace(/^a=fmtp:\d+ .*(?:profile-level-id|tx-mode)=[^\r\n]*/gm, `$&;x-google-start-bitrate=${BEGIN_AT}`);
  }
}

/** Whether this browser can make what every other browser can show. */
export function canEncode() {
  const codecs = globalThis.RTCRtpSender?.getCapabilities?.('video')?.codecs;
  // A browser that does not tell may be able to all the same.
  return !codecs || codecs.some(({ mimeType }) => /^video\/h26[45]$/i.test(mimeType));
}

/**
 * @typedef {object} Sent what a session sends, since the last time it was asked
 * @property {number} width
 * @property {number} height
 * @property {number} fps
 * @property {number} bitrate in bit/s
 */

/** Reads what is sent out of the browser's statistics. */
export class SentMeter {
  #bytes = 0;
  #at = 0;

  /**
   * @param {RTCStatsReport} report
   * @returns {Sent | null} nothing before the second time
   */
  read(report) {
    const [video] = [...report.values()].filter((entry) => entry.type === 'outbound-rtp' && entry.kind === 'video');
    if (!video) return null;
    const [bytes, at] = [this.#bytes, this.#at];
    [this.#bytes, this.#at] = [video.bytesSent, video.timestamp];
    if (!at || video.timestamp <= at || video.bytesSent < bytes) return null;
    const bitrate = ((video.bytesSent - bytes) * 8000) / (video.timestamp - at);
    return { width: video.frameWidth ?? 0, height: video.frameHeight ?? 0, fps: video.framesPerSecond ?? 0, bitrate };
  }
}
