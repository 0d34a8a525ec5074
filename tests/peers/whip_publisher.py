#!/usr/bin/python3
"""A camera made of GStreamer that publishes by WHIP: a test picture as H.264, and a tone as Opus.

Prints `{"message": "connected"}` once media can flow. To each line on stdin it answers `{"message": "sent", "nth": 1, "frames": N}`: how many
frames were sent so far. Ends, saying goodbye, when stdin does.
"""

import argparse
import hashlib
import json
import re
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PICTURE = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=1280,height=720,framerate=30/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast bframes=0 key-int-max={gop} bitrate={kbps} ! "
    "video/x-h264,profile=constrained-baseline ! rtph264pay name=pay config-interval=-1 aggregate-mode=zero-latency ! "
    "application/x-rtp,media=video,encoding-name=H264,payload=102,clock-rate=90000 ! peer. "
)
SOUND = (
    "audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! rtpopuspay ! "
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer. "
)


class Publisher:
    def __init__(self, a):
        self.url, self.resource, self.frames, self.last = a.url, None, 0, None
        line = "webrtcbin name=peer bundle-policy=max-bundle " + PICTURE.format(gop=a.gop, kbps=a.kbps) + SOUND
        self.pipeline = Gst.Pipeline()
        self.pem, self.fingerprint = certificate()
        self.pipeline.connect("deep-element-added", self.on_element)
        self.pipeline.add(Gst.parse_bin_from_description(line, False))
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.on_negotiation_needed)
        self.peer.connect("notify::ice-gathering-state", self.on_gathering)
        self.peer.connect("notify::connection-state", self.on_connection)
        self.pipeline.get_by_name("pay").get_static_pad("src").add_probe(
            Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self.on_packets
        )

    def start(self):
        for number in range(2):
            transceiver = self.peer.emit("get-transceiver", number)
            transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
            transceiver.set_property("do-nack", number == 0)
        self.pipeline.set_state(Gst.State.PLAYING)

    def on_element(self, _bin, _parent, element):
        if element.get_factory() and element.get_factory().get_name() in ("dtlsdec", "dtlssrtpdec"):
            element.set_property("pem", self.pem)

    def on_packets(self, _pad, info):
        # The packets of a frame come at once, or one by one with the same time.
        listed = info.type & Gst.PadProbeType.BUFFER_LIST
        buffer = info.get_buffer_list().get(0) if listed else info.get_buffer()
        if buffer.pts != self.last:
            self.last, self.frames = buffer.pts, self.frames + 1
        return Gst.PadProbeReturn.OK

    def on_negotiation_needed(self, peer):
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer, None))

    def on_offer(self, promise, _):
        promise.wait()
        # The offer lives in the reply, and that in the promise.
        self.offered = (promise, promise.get_reply())
        self.peer.emit("set-local-description", self.offered[1].get_value("offer"), Gst.Promise.new())

    def on_gathering(self, peer, _):
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE and not self.resource:
            self.resource = "…"
            threading.Thread(target=self.post, daemon=True).start()

    def post(self):
        offer = self.peer.get_property("local-description").sdp.as_text()
        offer = re.sub(r"a=fingerprint:.*", f"a=fingerprint:sha-256 {self.fingerprint}", offer)
        offer = offer.replace("\r", "").replace("\n", "\r\n").encode()
        request = urllib.request.Request(self.url, offer, {"Content-Type": "application/sdp"}, method="POST")
        try:
            with urllib.request.urlopen(request) as answer:
                self.resource = urllib.parse.urljoin(self.url, answer.headers["Location"])
                text = answer.read()
        except urllib.error.HTTPError as error:
            say(message="refused", status=error.code, why=error.read().decode())
            return
        _, sdp = GstSdp.SDPMessage.new_from_text(text.decode())
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", answer, Gst.Promise.new())

    def on_connection(self, peer, _):
        if peer.get_property("connection-state") == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            say(message="connected")

    def leave(self):
        if self.resource and self.resource.startswith("http"):
            urllib.request.urlopen(urllib.request.Request(self.resource, method="DELETE"))
        self.pipeline.set_state(Gst.State.NULL)


def certificate():
    """An ECDSA one with its key, as browsers have, where GStreamer 1.22 makes an RSA one. And its fingerprint."""
    line = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -days 30 -keyout - -out -"
    pem = subprocess.run(line.split(), check=True, capture_output=True, text=True).stdout
    body = re.search(r"-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----", pem, re.DOTALL)[0]
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(body)).digest()
    return pem, ":".join(f"{byte:02X}" for byte in digest)


def say(**what):
    print(json.dumps(what), file=sys.stderr, flush=True)


def listen(publisher, loop):
    for nth, _ in enumerate(sys.stdin, 1):
        say(message="sent", nth=nth, frames=publisher.frames)
    publisher.leave()
    loop.quit()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--gop", type=int, default=60)
    parser.add_argument("--kbps", type=int, default=2500)
    a = parser.parse_args()
    Gst.init(None)
    publisher, loop = Publisher(a), GLib.MainLoop()
    publisher.start()
    threading.Thread(target=listen, args=(publisher, loop), daemon=True).start()
    loop.run()


main()
