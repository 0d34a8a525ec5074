"""Stand-in for picamera2, with as much of it as a program that streams video uses, and the messages of the real one and of
libcamera when something is wrong. It was written by the documentation and messages of the real ones, not run beside them."""
import sys
import threading
import time

from . import stage

if stage.fault() == "missing":
    raise ModuleNotFoundError("No module named 'picamera2'")

from . import encoders, outputs  # noqa: E402

_BUSY = "[0:19:06.419783286] [2746]  INFO Camera camera.cpp:1033 Pipeline handler in use by another process"
_FRONTEND = """[0:05:43.417007419] [1582]  WARN V4L2 v4l2_videodevice.cpp:2007 /dev/video0[18:cap]: Dequeue timer of 1000000.00us has expired!
[0:05:44.308115388] [1582] ERROR RPI pipeline_base.cpp:1374 Camera frontend has timed out!
[0:05:44.308464398] [1582] ERROR RPI pipeline_base.cpp:1375 Please check that your camera sensor connector is attached securely.
[0:05:44.308506534] [1582] ERROR RPI pipeline_base.cpp:1376 Alternatively, try another cable and/or sensor."""


class Picamera2:
    @staticmethod
    def global_camera_info():
        if stage.fault() == "none":
            return []
        return [{"Model": "imx708", "Location": 2, "Rotation": 180, "Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Num": 0}]

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        if stage.fault() == "busy":
            print(_BUSY, file=sys.stderr)
            print("Camera __init__ sequence did not complete.", file=sys.stderr)
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.encoder = None
        self.size = None

    @property
    def camera_controls(self):
        return {
            "Brightness": (-1.0, 1.0, 0.0),
            "Contrast": (0.0, 32.0, 1.0),
            "AeEnable": (False, True, True),
            "ExposureTime": (26, 220417486, 20000),
            "AnalogueGain": (1.1228070259094238, 16.0, 1.1228070259094238),
            "AwbEnable": (False, True, None),
            "AwbMode": (0, 7, 0),
            "ColourGains": (0.0, 32.0, None),
            "AfMode": (0, 2, 0),
            "LensPosition": (0.0, 32.0, 1.0),
            "FrameDurationLimits": (17849, 220535845, 33333),
            "ScalerCrop": ((0, 0, 192, 108), (0, 0, 4608, 2592), (576, 0, 3456, 2592)),
        }

    def create_video_configuration(self, main={}, lores=None, raw={}, transform=None, colour_space=None, buffer_count=6,
                                   controls={}, display="main", encode="main", queue=True, sensor={}):
        assert main["format"] == "YUV420" and "FrameDurationLimits" in controls
        return {"main": main, "transform": transform, "controls": controls}

    def configure(self, camera_config="preview"):
        if stage.fault() == "memory":
            raise OSError(12, "Cannot allocate memory")
        self.size = camera_config["main"]["size"]
        # Libraries print where they like.
        print("configured")

    def set_controls(self, controls):
        for name, value in controls.items():
            if name not in self.camera_controls and name != "AfTrigger":
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
            if name == "Contrast" and value > 16:
                raise RuntimeError("Contrast: the pipeline refuses this")
            if name == "ColourGains" and not isinstance(value, tuple):
                raise TypeError("ColourGains takes a tuple")
            stage.controls[name] = value
            stage.note(f"{name}={value}")
        if "Brightness" in controls and self.encoder is not None:
            self.encoder.force_key_frame()

    def start_encoder(self, encoder=None, output=None, pts=None, quality=None, name=None):
        stage.note(f"bitrate={encoder.bitrate}")
        encoder.output, encoder.size, self.encoder = output, self.size, encoder
        output.start()
        encoder.start(quality)

    def stop_encoder(self, encoders=None):
        encoders.stop()

    def start_recording(self, encoder, output, pts=None, config=None, quality=None, name=None):
        self.start_encoder(encoder, output, pts=pts, quality=quality, name=name)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while stage.fault() != "frontend":
            time.sleep(0.05)
        self.encoder.stop()
        print(_FRONTEND, file=sys.stderr)

    def stop_recording(self):
        if self.encoder._running:
            self.encoder.stop()
        stage.note("stopped")

    def close(self):
        stage.note("closed")
