"""Stand-in for picamera2.encoders: what a Raspberry Pi 5 has, an encoder in software. ffmpeg encodes a test picture.

Frames come when they would come from a sensor. A wish for a keyframe is granted by beginning anew."""
import subprocess
import threading
import time

from . import stage


class H264Encoder:
    def __init__(self, bitrate=None, repeat=True, iperiod=30, framerate=30, qp=None, profile=None):
        self.bitrate, self.repeat, self.iperiod, self.framerate = bitrate, repeat, iperiod, framerate
        self.qp, self.profile, self.firsttimestamp = qp, profile, None
        self.output = None
        self.size = None
        self._ffmpeg = None
        self._running = False
        self._thread = None

    def _start(self):
        pass

    def start(self, quality=None):
        self._running = True
        self.firsttimestamp = None
        self._start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._running = False
        if self._ffmpeg is not None:
            self._ffmpeg.kill()
        self._thread.join()

    def force_key_frame(self):
        stage.note("keyframe")
        if self._ffmpeg is not None:
            self._ffmpeg.kill()

    def _command(self):
        size = f"{self.size[0]}x{self.size[1]}"
        picture = f"testsrc2=size={size}:rate={self.framerate},eq=brightness={stage.controls.get('Brightness', 0)}"
        encode = f"-c:v libx264 -preset ultrafast -tune zerolatency -bf 0 -g {self.iperiod} -b:v {self.bitrate}"
        form = "-pix_fmt yuv420p -x264-params aud=1:threads=1 -f h264 -flush_packets 1"
        return ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", picture, *encode.split(), *form.split(), "-"]

    def _run(self):
        while self._running:
            self._ffmpeg = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
            with self._ffmpeg as ffmpeg:
                self._read(ffmpeg.stdout)

    def _read(self, stream):
        delimiter, read = b"\x00\x00\x00\x01\x09", b""
        while self._running:
            piece = stream.read(65536)
            if not piece:
                return
            # ffmpeg writes a frame at a time: what is behind the last delimiter is whole when the pipe is empty.
            read += piece
            frames = [delimiter + frame for frame in read.split(delimiter) if frame]
            whole = len(piece) < 65536
            read = b"" if whole else frames.pop()
            for frame in frames:
                self._out(frame)

    def _out(self, frame):
        # As long ago as a sensor and an encoder need.
        sensor = time.monotonic_ns() - 20_000_000
        ts = sensor // 1000
        if self.firsttimestamp is None:
            self.firsttimestamp = ts
        stage.saw(sensor)
        keyframe = b"\x00\x00\x01\x65" in frame
        self.output.outputframe(frame, keyframe, ts - self.firsttimestamp, None, False)
