# SPDX-License-Identifier: BSD-3-Clause
"""fuse.py - A file whose close() waits for whoever serves it, which never answers

Any user may mount such a file system in a namespace of his own, so a front-end
may have such a file.  close(2) of it sends FLUSH and waits, deaf to all signals.
"""

import contextlib
import ctypes
import os
import struct
import tempfile
import threading

from outcome import Skipped

IN = struct.Struct("<IIQQIIIHH")
OUT = struct.Struct("<IiQ")
LOOKUP, FORGET, GETATTR, OPEN, RELEASE, FLUSH, INIT, INTERRUPT, BATCH_FORGET = \
    1, 2, 3, 14, 18, 25, 26, 36, 42
SIZE = 1 << 20
ENOSYS = 38
MNT_FORCE, MNT_DETACH = 1, 2

_libc = ctypes.CDLL(None, use_errno=True)


def _attributes(node):
    directory = node == 1
    return struct.pack("<6Q3I7I", node, SIZE, SIZE >> 9, 0, 0, 0, 0, 0, 0,
                       0o40755 if directory else 0o100666, 1, 0, 0, 0, 4096, 0)


def _answer(opcode, node, valid):
    """Return the payload of an answer, or None for an error."""
    if opcode == INIT:
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, 4096, 0, 1, 1, 4096, 1, 1, 0, 0, *[0] * 7)
    if opcode == LOOKUP:
        return struct.pack("<QQQQII", 2, 1, 3600, valid, 0, 0) + _attributes(2)
    if opcode == GETATTR:
        return struct.pack("<QII", valid, 0, 0) + _attributes(node)
    if opcode == OPEN:
        return struct.pack("<QII", 1, 0, 0)
    return b"" if opcode == RELEASE else None


def _serve(device, flushed, deaf):
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError:
            return  # unmounted
        _, opcode, unique, node, *_ = IN.unpack_from(request)
        if opcode == FLUSH:
            flushed.set()
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT, FLUSH) or (
                deaf and opcode == GETATTR and node == 2):
            continue
        payload = _answer(opcode, node, 0 if deaf else 3600)
        os.write(device, OUT.pack(OUT.size + len(payload or b""), 0 if payload is not None else
                                  -ENOSYS, unique) + (payload or b""))


@contextlib.contextmanager
def file(deaf=False):
    """A descriptor of such a file, and an event that tells of an attempt to close it.

    deaf: Who asks what the file is waits as well
    """
    flushed = threading.Event()
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        raise Skipped(f"no /dev/fuse: {error}") from None
    with tempfile.TemporaryDirectory() as directory:
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
        if _libc.mount(b"abuse", directory.encode(), b"fuse", 0, options):
            os.close(device)
            raise Skipped(f"FUSE cannot be mounted: {os.strerror(ctypes.get_errno())}")
        threading.Thread(target=_serve, args=(device, flushed, deaf), daemon=True).start()
        fd = os.open(os.path.join(directory, "file"), os.O_RDWR)
        try:
            yield fd, flushed
        finally:
            # MNT_FORCE ends the connection: whoever waits is let go, with an error
            _libc.umount2(directory.encode(), MNT_FORCE)
            with contextlib.suppress(OSError):
                os.close(fd)
            _libc.umount2(directory.encode(), MNT_DETACH)
            os.close(device)
