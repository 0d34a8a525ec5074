import { failure, refusal } from './failure.js';

/** The header extension that carries a frame's capture time; browsers know it, but offer it only when asked to. */
const CAPTURE_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';

/** From POST to its answer. */
const ANSWER_WITHIN = 10_000;

/** From the answer to a connection that carries media, over TCP if it must be. A network that lets neither through is not worth waiting for. */
const CONNECT_WITHIN = 4000;

/** A path that vanishes this long is taken for dead; shorter gaps (a roaming phone) heal by themselves. */
const HEAL_WITHIN = 2000;

/** @typedef {import('./failure.js').Failure} Failure */

/**
 * One WebRTC session that is made and ended over HTTP (RFC 9725). Lives once: when it fails, make another.
 *
 * Events: `begun` (the answer is taken), `connected`, `failed` (a CustomEvent with a `Failure`).
 */
export class WebrtcSession extends EventTarget {
  /** Whether media could come so far. */
  connected = false;
  /** @protected */
  pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });

  #url;
  #words;
  /** @type {string | null} */
  #resource = null;
  #closed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;

  /**
   * @param {URL | string} url where to POST
   * @param {{ never: string, lost: string }} words why it failed: media never came through, or does no longer
   */
  constructor(url, words) {
    super();
    this.#url = url;
    this.#words = words;
    this.pc.onconnectionstatechange = () => this.#connection(this.pc.connectionState);
  }

  /** Makes the session. Never throws: what goes wrong is an event. */
  async start() {
    try {
      // Nobody waits for candidates: the server learns this side's address from the first packet it gets.
      await this.pc.setLocalDescription();
      const answer = await this.#post(this.pc.localDescription?.sdp ?? '');
      if (this.#closed) return;
      this.#failAfter(CONNECT_WITHIN, this.#words.never, true);
      await this.pc.setRemoteDescription({ type: 'answer', sdp: this.understood(answer) });
      this.dispatchEvent(new Event('begun'));
    } catch (error) {
      this.#fail(failure(error));
    }
  }

  /** Ends the session here and on the server, also while the page is being left. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#deadline);
    this.pc.close();
    this.#delete();
  }

  /** @returns {Promise<RTCStatsReport>} */
  stats() {
    return this.pc.getStats();
  }

  /**
   * What else the server's answer says.
   * @protected
   * @param {Headers} _headers
   */
  answered(_headers) {}

  /**
   * The answer as the browser is to understand it.
   * @protected
   * @param {string} sdp
   */
  understood(sdp) {
    return sdp;
  }

  /** @param {string} offer */
  async #post(offer) {
    const signal = AbortSignal.timeout(ANSWER_WITHIN);
    const headers = { 'Content-Type': 'application/sdp' };
    const response = await fetch(this.#url, { method: 'POST', headers, body: offer, signal });
    if (!response.ok) throw await refusal(response);
    const location = response.headers.get('Location');
    this.#resource = location && new URL(location, response.url).href;
    this.answered(response.headers);
    if (this.#closed) this.#delete();
    return response.text();
  }

  #delete() {
    if (!this.#resource) return;
    // Keepalive outlives the page. An answer does not matter: a session nobody attends times out on the server.
    fetch(this.#resource, { method: 'DELETE', keepalive: true }).catch(() => {});
    this.#resource = null;
  }

  /** @param {RTCPeerConnectionState} state */
  #connection(state) {
    if (state === 'connected') {
      this.connected = true;
      clearTimeout(this.#deadline);
      this.dispatchEvent(new Event('connected'));
    }
    const { lost } = this.#words;
    if (state === 'disconnected') this.#failAfter(HEAL_WITHIN, lost);
    if (state === 'failed' || state === 'closed') this.#fail({ kind: 'media', message: lost });
  }

  /**
   * @param {number} ms
   * @param {string} message
   * @param {boolean} [everywhere] it will be the same with every camera
   */
  #failAfter(ms, message, everywhere = false) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#fail({ kind: 'media', message, elsewhere: everywhere, everywhere }), ms);
  }

  /** @param {Failure} detail */
  #fail(detail) {
    if (this.#closed) return;
    this.close();
    this.dispatchEvent(new CustomEvent('failed', { detail }));
  }
}

/** One play session by WHEP (draft-ietf-wish-whep). Once it has `begun`, there is a `stream`. */
export class WhepSession extends WebrtcSession {
  /** What is played; tracks come with the server's answer. */
  stream = new MediaStream();
  /** @type {RTCRtpReceiver} */
  receiver;
  /** @type {string | null} by which the server knows this viewer */
  viewer = null;

  /**
   * @param {URL | string} url the WHEP endpoint
   * @param {{ audio?: boolean }} [options] Audio is asked for only when somebody listens: it costs data, and browsers
   *   delay the picture to keep it in step with the sound.
   */
  constructor(url, { audio = false } = {}) {
    super(url, {
      never: 'No picture data gets through to you. A firewall may be blocking it.',
      lost: 'The picture data stopped coming through to you.',
    });
    const video = this.pc.addTransceiver('video', { direction: 'recvonly' });
    offerCaptureTime(video);
    if (audio) this.pc.addTransceiver('audio', { direction: 'recvonly' });
    this.receiver = video.receiver;
    this.pc.ontrack = ({ track }) => this.stream.addTrack(track);
  }

  /** @param {Headers} headers */
  answered(headers) {
    this.viewer = headers.get('X-Viewer');
  }
}

/**
 * Asks for the capture time with each frame. Browsers that cannot do that play all the same.
 * @param {RTCRtpTransceiver} transceiver
 */
export function offerCaptureTime(transceiver) {
  /** @typedef {{ uri: string, direction: string }} Extension */
  /** @typedef {{ getHeaderExtensionsToNegotiate?: () => Extension[], setHeaderExtensionsToNegotiate?: (list: Extension[]) => void }} Negotiable */
  const negotiable = /** @type {Negotiable} */ (/** @type {unknown} */ (transceiver));
  const extensions = negotiable.getHeaderExtensionsToNegotiate?.() ?? [];
  for (const extension of extensions) {
    if (extension.uri === CAPTURE_TIME) extension.direction = 'sendrecv';
  }
  negotiable.setHeaderExtensionsToNegotiate?.(extensions);
}
