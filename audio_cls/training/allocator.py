"""The C library's memory allocator, told not to give back what the next training step asks for again."""

import ctypes

# malloc.h of glibc
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**30


def keep_freed_memory() -> None:
    """Makes glibc reuse large blocks rather than return each to the system, which then has to zero every page again.

    By default a large block is a mapping of its own. Activations are that large, and their page faults take a quarter
    of the transformer's step on one core and more than half of the CNN's. Does nothing with another C library.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another system, musl
        return
    kept = _KEPT_BYTES
    while kept and not mallopt(_M_MMAP_THRESHOLD, kept):  # older versions take 32 MiB at most
        kept //= 2
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
