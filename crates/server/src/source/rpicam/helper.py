# Drives a Raspberry Pi camera through picamera2, for neverblink, which starts it with the job as JSON in its first argument.
#
# It writes messages to its standard output: a letter, the length in four bytes, the content. J is JSON. F is a frame: when the
# sensor saw it and when it was encoded (nanoseconds of CLOCK_MONOTONIC, eight bytes each; 0 is not known), whether it is a
# keyframe (one byte), and the H.264 stream with start codes. All numbers are in network order.
# It reads orders from its standard input, one JSON object a line, and ends with it.
import json
import os
import struct
import sys
import threading
import time

NO_PICAMERA2 = 77

# The current directory is no place for modules. Whatever libraries print must not get between the frames.
sys.path = [place for place in sys.path if place]
pipe = os.dup(1)
os.dup2(2, 1)
talking = threading.Lock()


def write(letter, *parts):
    head = letter + struct.pack(">I", sum(len(part) for part in parts))
    with talking:
        for part in (head, *parts):
            left = memoryview(part)
            while left:
                left = left[os.write(pipe, left):]


def say(**message):
    write(b"J", json.dumps(message, default=str).encode())


try:
    import fcntl

    from libcamera import Transform
    from picamera2 import Picamera2
    from picamera2.encoders import H264Encoder
    from picamera2.outputs import Output
except Exception as error:
    print(f"picamera2 cannot be used: {error}", file=sys.stderr)
    sys.exit(NO_PICAMERA2)

S_CTRL = 0xC008561C
FORCE_KEY_FRAME = 0x009909E5
BITRATE = 0x009909CF


def monotonic(sensor):
    # What is said to be the time since boot is that of CLOCK_MONOTONIC in today's drivers; they differ once the machine slept.
    if sensor > time.monotonic_ns():
        sensor += time.monotonic_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return max(0, sensor)


class Encoder(H264Encoder):
    def _start(self):
        super()._start()
        stream = getattr(self, "_stream", None)
        if stream is not None:
            # In software: threads share each frame. If each had frames of its own, every frame would wait for later ones.
            import av

            stream.codec_context.thread_type = av.codec.context.ThreadType.SLICE

    def fd(self):
        device = getattr(self, "vd", None)
        return None if device is None or device.closed else device


class Frames(Output):
    def outputframe(self, frame, keyframe=True, timestamp=None, packet=None, audio=False):
        if audio or not frame:
            return
        first = encoder.firsttimestamp
        sensor = 0 if first is None or timestamp is None else monotonic((first + timestamp) * 1000)
        write(b"F", struct.pack(">QQB", sensor, time.monotonic_ns(), bool(keyframe)), bytes(frame))


def restart_encoder():
    camera.stop_encoder(encoder)
    camera.start_encoder(encoder, output)


def keyframe():
    if hasattr(encoder, "force_key_frame"):
        encoder.force_key_frame()
    elif encoder.fd() is not None:
        fcntl.ioctl(encoder.fd(), S_CTRL, struct.pack("Ii", FORCE_KEY_FRAME, 1))
    else:
        restart_encoder()


def set_bitrate(bits):
    encoder.bitrate = bits
    if encoder.fd() is not None:
        fcntl.ioctl(encoder.fd(), S_CTRL, struct.pack("Ii", BITRATE, bits))
    else:
        restart_encoder()


def of_json(value):
    return tuple(value) if isinstance(value, list) else value


def set_controls(wishes):
    wishes = {name: of_json(value) for name, value in wishes.items()}
    try:
        camera.set_controls(wishes)
        return {}
    except Exception:
        pass
    refused = {}
    for name, value in wishes.items():
        try:
            camera.set_controls({name: value})
        except Exception as error:
            refused[name] = str(error)
    return refused


def simple(value):
    if isinstance(value, (tuple, list)):
        return [simple(one) for one in value]
    return value if isinstance(value, (bool, int, float)) else None


def obey(order):
    if order.get("keyframe"):
        keyframe()
    if "id" not in order:
        return
    refused = set_controls(order["set"]) if order.get("set") else {}
    if "bitrate" in order:
        try:
            set_bitrate(order["bitrate"])
        except Exception as error:
            refused["bitrate"] = str(error)
    say(done=order["id"], refused=refused)


job = json.loads(sys.argv[1])
found = [str(one.get("Model", one.get("Id", "?"))) for one in Picamera2.global_camera_info()]
if job["camera"] >= len(found):
    say(absent=job["camera"], found=found)
    sys.exit(1)
camera = Picamera2(job["camera"])
duration = round(1e6 / job["fps"])
config = camera.create_video_configuration(
    main={"size": (job["width"], job["height"]), "format": "YUV420"},
    transform=Transform(hflip=job["hflip"], vflip=job["vflip"]),
    controls={"FrameDurationLimits": (duration, duration)},
)
camera.configure(config)
encoder = Encoder(bitrate=job["bitrate"], repeat=True, iperiod=job["gop"])
encoder.framerate = job["fps"]
output = Frames()
refused = set_controls({name: value for name, value in job["set"].items() if name in camera.camera_controls})
camera.start_recording(encoder, output)
say(
    ready={name: [simple(one) for one in bounds] for name, bounds in camera.camera_controls.items()},
    model=found[job["camera"]],
    hardware=encoder.fd() is not None,
    refused=refused,
)
try:
    for line in sys.stdin:
        obey(json.loads(line))
finally:
    camera.stop_recording()
    camera.close()
