"""Stand-in for the Python module of libcamera: the names that are used with picamera2."""


class Transform:
    def __init__(self, rotation=0, hflip=0, vflip=0, transpose=0):
        self.hflip, self.vflip = bool(hflip), bool(vflip)
