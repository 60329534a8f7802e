"""What C libraries write to standard error, caught: libmpg123, in libsndfile, says there what is wrong with a frame.

Redirecting file descriptor 2 would swallow the lines of other threads. The C library's `stderr` is a pointer that only
C code looks at, so this exchanges the pointer. Where that is not the GNU C library nothing is caught.
"""

import ctypes
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_MOST = 4096  # bytes that are kept
_lock = threading.Lock()


@contextmanager
def complaints() -> Iterator[list[str]]:
    """A list that holds the lines, once the block is left. One thread at a time, so that they are its own."""
    lines: list[str] = []
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        yield lines
        return
    with _lock:
        library = ctypes.CDLL(None)
        library.fmemopen.restype = ctypes.c_void_p
        library.fmemopen.argtypes = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p
        library.fclose.argtypes = (ctypes.c_void_p,)
        text = ctypes.create_string_buffer(_MOST)
        pointer = ctypes.c_void_p.in_dll(library, "stderr")
        before, stream = pointer.value, library.fmemopen(text, _MOST, b"w")
        pointer.value = stream
        try:
            yield lines
        finally:
            pointer.value = before
            library.fclose(stream)
            lines += text.value.decode(errors="replace").splitlines()
