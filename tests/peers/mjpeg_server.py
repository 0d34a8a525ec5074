#!/usr/bin/python3
"""A camera as people write it around Flask: JPEG files on stdin go to whoever asks.

`/` answers without end, in parts that tell no length, as generators in Flask do; `/snapshot.jpg` answers with the newest file.
SIGUSR1 hangs its sensor and mends it: meanwhile each new picture is the last one again.
Prints `{"message": "listening", "port": N}`.
"""

import argparse
import base64
import http.server
import json
import signal
import ssl
import sys
import threading

newest = None
number = 0
hangs = False
changed = threading.Condition()


def read_files():
    global newest, number
    held = b""
    while chunk := sys.stdin.buffer.read1(1 << 16):
        held += chunk
        while (end := held.find(b"\xff\xd9")) >= 0:
            with changed:
                file, held, number = held[: end + 2], held[end + 2 :], number + 1
                newest = newest if hangs and newest else file
                changed.notify_all()


def hang(*_):
    global hangs
    hangs = not hangs


class Camera(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if arguments.user and not self.is_welcome():
            return self.refuse(401, ("WWW-Authenticate", 'Basic realm="camera"'))
        if self.path == "/":
            self.stream()
        elif self.path == "/snapshot.jpg":
            self.snapshot()
        else:
            self.refuse(404)

    def is_welcome(self):
        expected = "Basic " + base64.b64encode(arguments.user.encode()).decode()
        return self.headers.get("Authorization") == expected

    def refuse(self, status, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.send_header("Connection", "close")
        self.end_headers()
        seen = 0
        while True:
            with changed:
                changed.wait_for(lambda: number > seen)
                file, seen = newest, number
            self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + file + b"\r\n")

    def snapshot(self):
        with changed:
            changed.wait_for(lambda: newest)
            file = newest
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(file)))
        self.end_headers()
        self.wfile.write(file)

    def log_message(self, *_):
        pass


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--user", help="name:password")
parser.add_argument("--certificate", help="a file with a key and its certificate: speaks TLS")
arguments = parser.parse_args()
signal.signal(signal.SIGUSR1, hang)
threading.Thread(target=read_files, daemon=True).start()
server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Camera)
server.daemon_threads = True
if arguments.certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(json.dumps({"message": "listening", "port": server.server_port}), flush=True)
server.serve_forever()
