#!/usr/bin/env python3
"""Records what ffmpeg sends as RTP, for crates/proto/tests/recorded.rs. Needs ffmpeg with libx264, libx265 and libopus.

Makes NAME.sdp, NAME.packets and, for pictures, NAME.coded: the elementary stream that went in. A packet is one byte
(0 RTP, 1 RTCP), its arrival in µs since the first (4 bytes), its length (2 bytes), both big-endian, and its bytes.
"""
import os, select, socket, struct, subprocess, tempfile, time

VIDEO = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-t", "1.2"]
AUDIO = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "0.6"]
# name, how to encode, container of the encoded form, how it is sent
RECORDINGS = [
    ("h264", VIDEO + ["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-g", "12", "-slices", "2", "-b:v", "250k"], "mp4", "h264"),
    ("h265", VIDEO + ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=12:bframes=0:aud=1:log-level=none", "-b:v", "150k"], "hevc", "hevc"),
    ("aac", AUDIO + ["-c:a", "aac", "-b:a", "64k", "-ac", "2"], "mp4", None),
    ("opus", AUDIO + ["-c:a", "libopus", "-b:a", "32k"], "ogg", None),
    ("pcmu", AUDIO + ["-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"], "wav", None),
]
FFMPEG = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y"]


def pair():
    """Two sockets on neighbouring ports, RTP on the even one."""
    while True:
        rtp, rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        rtp.bind(("127.0.0.1", 0))
        port = rtp.getsockname()[1]
        try:
            if port % 2 == 0:
                rtcp.bind(("127.0.0.1", port + 1))
                return rtp, rtcp, port
        except OSError:
            pass
        rtp.close(), rtcp.close()


def record(name, encode, container, elementary, tmp):
    coded = os.path.join(tmp, f"{name}.{container}")
    subprocess.run(FFMPEG + encode + [coded], check=True)
    if elementary:
        copy = ["-bsf:v", "h264_mp4toannexb"] if elementary == "h264" else []
        subprocess.run(FFMPEG + ["-i", coded, "-c", "copy", *copy, "-f", elementary, f"{name}.coded"], check=True)
    rtp, rtcp, port = pair()
    send = ["-re", "-i", coded, "-c", "copy", "-payload_type", "0" if name == "pcmu" else "96"]
    send += ["-sdp_file", f"{name}.sdp", "-f", "rtp", f"rtp://127.0.0.1:{port}?pkt_size=1200"]
    sender = subprocess.Popen(FFMPEG + send)
    begin, ended = None, False
    with open(f"{name}.packets", "wb") as out:
        while True:
            for s in select.select([rtcp, rtp], [], [], 0.3)[0]:
                data, now = s.recv(65536), time.monotonic()
                begin = begin or now
                out.write(struct.pack(">BIH", s is rtcp, int((now - begin) * 1e6), len(data)) + data)
                break
            else:
                if ended:
                    break
                ended = sender.poll() is not None


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    with tempfile.TemporaryDirectory() as tmp:
        for recording in RECORDINGS:
            record(*recording, tmp)
