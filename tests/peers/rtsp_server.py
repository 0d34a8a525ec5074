#!/usr/bin/python3
"""An RTSP camera made of GStreamer: raw I420 pictures on stdin become H.264 at rtsp://HOST:PORT/camera.

Prints `{"message": "listening", "port": N}`. The newest picture goes to whoever is connected; others are left out, so a
picture that has waited is never sent. Sender reports carry the capture time: the moment the picture was read.
"""

import argparse
import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402,F401


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="0")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--gop", type=int, default=30)
    parser.add_argument("--kbps", type=int, default=2500)
    parser.add_argument("--user", help="name:password, asked for by digest authentication")
    return parser.parse_args()


def launch_line(a):
    caps = f"video/x-raw,format=I420,width={a.width},height={a.height},framerate={a.fps}/1"
    return (
        f"( appsrc name=pictures is-live=true do-timestamp=true format=time caps={caps} "
        f"max-buffers=1 leaky-type=downstream ! "
        f"x264enc tune=zerolatency speed-preset=ultrafast bframes=0 key-int-max={a.gop} bitrate={a.kbps} "
        f"sliced-threads=true ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=-1 "
        f"aggregate-mode=zero-latency )"
    )


class Camera(GstRtspServer.RTSPMediaFactory):
    """One pipeline shared by all clients."""

    def __init__(self, a):
        super().__init__()
        self.set_launch(launch_line(a))
        self.set_shared(True)
        self.set_latency(0)
        self.pictures = None
        self.connect("media-configure", self.on_configure)

    def on_configure(self, _factory, media):
        bin_ = media.get_element()
        pictures = bin_.get_by_name("pictures")
        media.connect("prepared", lambda m: use_capture_time(m.get_element()))
        media.connect("unprepared", lambda _m: self.forget(pictures))
        self.pictures = pictures

    def forget(self, pictures):
        if self.pictures is pictures:
            self.pictures = None

    def show(self, picture):
        pictures = self.pictures
        if pictures is not None:
            pictures.push_buffer(Gst.Buffer.new_wrapped(picture))


def use_capture_time(element):
    """Lets sender reports tell when a picture was captured, not when its packet was sent."""
    pipeline = element.get_parent()
    if not isinstance(pipeline, Gst.Bin):
        return
    found = pipeline.iterate_all_by_element_factory_name("rtpbin")
    while True:
        state, rtpbin = found.next()
        if state != Gst.IteratorResult.OK:
            return
        rtpbin.set_property("rtcp-sync-send-time", False)


def read_pictures(camera, size, loop):
    while picture := sys.stdin.buffer.read(size):
        if len(picture) == size:
            camera.show(picture)
    loop.quit()


def authenticate(server, factory, user):
    name, _, password = user.partition(":")
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(name, password, token)
    factory.add_role_from_structure(Gst.Structure.new_from_string("viewer,media.factory.access=true,media.factory.construct=true"))
    server.set_auth(auth)


def main():
    a = arguments()
    Gst.init(None)
    camera = Camera(a)
    server = GstRtspServer.RTSPServer(address=a.host, service=a.port)
    if a.user:
        authenticate(server, camera, a.user)
    server.get_mount_points().add_factory("/camera", camera)
    loop = GLib.MainLoop()
    if not server.attach(None):
        sys.exit("cannot listen")
    print(json.dumps({"message": "listening", "port": server.get_bound_port()}), flush=True)
    size = a.width * a.height * 3 // 2
    threading.Thread(target=read_pictures, args=(camera, size, loop), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
