// The smallest WHEP player there can be, and a loopback connection for testing the measurement itself. Runs in the page.

import { drawnClock } from "./clock.mjs";
import { Probe, latencyOf } from "./probe.mjs";
import { round, since } from "./summary.mjs";

const TIMEOUT = 20_000;

function newVideo() {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, autoplay: true, playsInline: true });
  document.body.append(video);
  return video;
}

export class Player {
  constructor() {
    this.video = newVideo();
    this.probe = new Probe(this.video);
    this.times = {};
  }

  #mark(name) {
    this.times[name] ??= performance.now();
  }

  // Plays `url`. Resolves at the first picture with what happened when, in ms after the POST.
  // `relay`: a port of this host that leads to the server by a longer way. `captureTime`: ask the server for capture times.
  async start(url, { liveWithin = 120, audio = false, relay = null, captureTime = false } = {}) {
    this.pc = new RTCPeerConnection();
    this.pc.addTransceiver("video", { direction: "recvonly" });
    if (audio) this.pc.addTransceiver("audio", { direction: "recvonly" });
    this.pc.ontrack = ({ track }) => {
      if (track.kind === "video") this.video.srcObject = new MediaStream([track]);
    };
    this.pc.onconnectionstatechange = () => this.#mark(this.pc.connectionState);
    const first = this.probe.until(() => true, TIMEOUT).then((f) => (this.times.first_picture = f.at - this.probe.offset));
    this.live = this.probe.until((f) => latencyOf(f) < liveWithin, TIMEOUT);
    this.live.then((f) => (this.times.first_live = f.at - this.probe.offset)).catch(() => {});
    await this.pc.setLocalDescription(captureTime ? withCaptureTime(await this.pc.createOffer()) : undefined);
    this.#mark("post");
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/sdp" },
      body: this.pc.localDescription.sdp,
    });
    const text = await answer.text();
    if (answer.status !== 201) throw new Error(`POST ${url}: ${answer.status} ${text}`);
    this.session = new URL(answer.headers.get("location"), url).href;
    this.#mark("answer");
    await this.pc.setRemoteDescription({ type: "answer", sdp: relay ? rerouted(text, relay) : text });
    await first;
    return this.timing();
  }

  timing() {
    const { post, ...rest } = this.times;
    return Object.fromEntries(Object.entries(rest).map(([name, at]) => [`${name}_ms`, round(at - post)]));
  }

  // Joins, waits for the first live picture and for the latency from two to three seconds after it.
  async join(url, options) {
    await this.start(url, options);
    await this.live;
    const post = this.times.post;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, post + 2000 - performance.now())));
    const { latency_ms, fps } = await this.probe.measure(1);
    return { ...this.timing(), settled_latency_ms: latency_ms, settled_fps: fps };
  }

  async measure(seconds) {
    const before = await inbound(this.pc);
    const report = await this.probe.measure(seconds);
    return { ...report, stats: difference(before, await inbound(this.pc)), state: this.pc.connectionState };
  }

  // When each frame since `from`, in ms of the wall clock, was shown, and how old it was then (null if its clock was unreadable).
  shownSince(from) {
    const frames = this.probe.frames.filter((f) => f.at >= from);
    return frames.map(({ at, clock }) => ({ at, latency_ms: clock && since(clock.millis, at) }));
  }

  async stop() {
    this.pc?.close();
    if (this.session) await fetch(this.session, { method: "DELETE" }).catch(() => {});
    this.video.remove();
  }

  // Plays a clock drawn here, through two peers in this page: shows what the measurement itself costs.
  async loopback({ width = 1280, height = 720, fps = 30 } = {}) {
    const source = new RTCPeerConnection();
    this.pc = new RTCPeerConnection();
    source.onicecandidate = ({ candidate }) => candidate && this.pc.addIceCandidate(candidate);
    this.pc.onicecandidate = ({ candidate }) => candidate && source.addIceCandidate(candidate);
    this.pc.ontrack = ({ track }) => (this.video.srcObject = new MediaStream([track]));
    for (const track of drawnClock(width, height, fps).getTracks()) source.addTrack(track);
    this.#mark("post");
    await source.setLocalDescription();
    await this.pc.setRemoteDescription(source.localDescription);
    await this.pc.setLocalDescription();
    await source.setRemoteDescription(this.pc.localDescription);
    await this.probe.until((f) => f.clock, TIMEOUT);
  }
}

// Chromium reads capture times, but does not ask for them by itself.
function withCaptureTime({ type, sdp }) {
  const line = "a=extmap:14 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n";
  return { type, sdp: sdp.replace(/(?=^a=rtcp-mux\r\n)/m, line) };
}

// The answer with one candidate only.
function rerouted(sdp, port) {
  const candidate = `a=candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host`;
  const others = sdp.split("\r\n").filter((line) => !line.startsWith("a=candidate") && line !== "a=end-of-candidates");
  const media = others.findIndex((line) => line.startsWith("m="));
  const end = others.findIndex((line, i) => i > media && (line.startsWith("m=") || line === ""));
  others.splice(end, 0, candidate);
  return others.join("\r\n");
}

const COUNTERS = [
  "framesReceived", "framesDecoded", "framesDropped", "keyFramesDecoded", "freezeCount", "totalFreezesDuration", "packetsReceived",
  "packetsLost", "packetsDiscarded", "retransmittedPacketsReceived", "nackCount", "pliCount", "firCount", "bytesReceived",
  "jitterBufferDelay", "jitterBufferEmittedCount", "totalDecodeTime",
];

async function inbound(pc) {
  const report = [...(await pc.getStats()).values()];
  return report.find((s) => s.type === "inbound-rtp" && s.kind === "video") ?? {};
}

function difference(before, after) {
  const gained = COUNTERS.map((name) => [name, round((after[name] ?? 0) - (before[name] ?? 0))]);
  return { ...Object.fromEntries(gained), decoder: after.decoderImplementation, width: after.frameWidth, height: after.frameHeight };
}

export { Probe };
