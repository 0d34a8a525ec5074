/**
 * Where pictures are shown: a `<video>` or, for what the page decodes itself, a `<canvas>` in its place; and below them the
 * last picture of a session that ended, so that a new one does not begin with a black hole.
 *
 * Events: `blocked` when the browser does not let a video play before the page was touched.
 */
export class Screen extends EventTarget {
  video;
  #still;
  /** @type {HTMLCanvasElement | null} */
  #canvas = null;
  /** @type {HTMLVideoElement | HTMLCanvasElement | null} */
  #shown = null;
  #turn = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {HTMLCanvasElement} [still]
   */
  constructor(video, still) {
    super();
    this.video = video;
    this.#still = still;
    video.muted = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
    // Being moved, a media key, leaving full screen on a phone: all pause a video, but what is live goes on.
    video.addEventListener('pause', () => this.#shown === video && this.play());
  }

  /** What shows the picture now. */
  get element() {
    return this.#shown;
  }

  /** The canvas instead of the video. */
  showCanvas() {
    if (!this.#canvas) {
      this.#canvas = document.createElement('canvas');
      this.#canvas.className = 'picture';
      this.#canvas.ariaHidden = 'true';
      this.video.after(this.#canvas);
    }
    this.#show(this.#canvas);
    return this.#canvas;
  }

  /**
   * The video; each of its frames is told from now on until it is left.
   * @param {(frame: VideoFrameCallbackMetadata) => void} onFrame
   * @returns {boolean} whether frames will be told: some browsers do not, and only the first picture is known then
   */
  showVideo(onFrame) {
    const { video } = this;
    this.#show(video);
    const turn = this.#turn;
    if (!video.requestVideoFrameCallback) return false;
    /** @type {VideoFrameRequestCallback} */
    const next = (_now, frame) => {
      if (turn !== this.#turn) return;
      video.requestVideoFrameCallback(next);
      onFrame(frame);
    };
    video.requestVideoFrameCallback(next);
    return true;
  }

  play() {
    this.video.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.dispatchEvent(new Event('blocked'));
    });
  }

  /**
   * A session has ended.
   * @param {boolean} picture whether there was a picture to keep
   */
  leave(picture) {
    if (picture) this.#keep();
    this.#turn += 1;
    this.#shown = null;
    const { video } = this;
    if (video.srcObject) video.srcObject = null;
    if (video.hasAttribute('src')) {
      video.removeAttribute('src');
      video.load();
    }
  }

  /** @param {HTMLVideoElement | HTMLCanvasElement} element */
  #show(element) {
    this.#turn += 1;
    this.#shown = element;
    this.video.hidden = element !== this.video;
    if (this.#canvas) this.#canvas.hidden = element !== this.#canvas;
  }

  #keep() {
    const shown = this.#shown;
    if (!this.#still || !shown) return;
    const video = /** @type {Partial<HTMLVideoElement>} */ (shown);
    const [width, height] = [video.videoWidth ?? shown.width, video.videoHeight ?? shown.height];
    if (!width || !height) return;
    const scale = Math.min(1, 960 / width);
    this.#still.width = width * scale;
    this.#still.height = height * scale;
    this.#still.getContext('2d')?.drawImage(shown, 0, 0, this.#still.width, this.#still.height);
  }
}
