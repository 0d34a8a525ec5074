#!/usr/bin/python3
"""A command that writes a camera's MPEG-TS to its standard output, and fails in whatever way it is told to.

The file CONTROL holds the picture: {"size": "320x240", "offset": 0}. SIGHUP: read it anew and go on in the same stream.
SIGUSR1: noise instead of the picture for as long as it takes until the next SIGHUP. SIGUSR2: complain and exit with status 3.
"""

import json
import os
import signal
import subprocess
import sys
import threading

control = sys.argv[1]
encoder = None
noise = False
again = threading.Event()


def start():
    with open(control, encoding="utf-8") as file:
        wanted = json.load(file)
    picture = f"testsrc2=size={wanted['size']}:rate=30"
    return subprocess.Popen(
        ["ffmpeg", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", picture, "-c:v", "libx264", "-preset"]
        + ["ultrafast", "-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p", "-output_ts_offset", str(wanted["offset"])]
        + ["-flush_packets", "1", "-f", "mpegts", "-"],
        stdout=subprocess.PIPE,
    )


def renew(*_):
    global noise
    noise = False
    again.set()
    encoder.kill()


def spoil(*_):
    global noise
    noise = True


def complain(*_):
    print("the sensor does not answer", file=sys.stderr, flush=True)
    encoder.kill()
    os._exit(3)


encoder = start()
signal.signal(signal.SIGHUP, renew)
signal.signal(signal.SIGUSR1, spoil)
signal.signal(signal.SIGUSR2, complain)
while True:
    while data := os.read(encoder.stdout.fileno(), 1 << 16):
        data = os.urandom(len(data)) if noise else data
        while data:
            data = data[os.write(1, data) :]
    encoder.wait()
    if not again.is_set():
        sys.exit(1)
    again.clear()
    encoder = start()
