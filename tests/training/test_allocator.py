import ctypes
from types import SimpleNamespace

import pytest

from audio_cls.training import allocator

TRIM, MMAP = -1, -3  # malloc.h of glibc


@pytest.mark.parametrize(("largest", "kept"), [(2**31, 2**30), (2**25, 2**25), (0, None)])
def test_the_largest_threshold_that_the_c_library_takes_is_set(monkeypatch, largest, kept):
    taken = {}

    def mallopt(parameter: int, value: int) -> int:
        if parameter == MMAP and value > largest:
            return 0
        taken[parameter] = value
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    allocator.keep_freed_memory()
    assert taken == {TRIM: 2**30} | ({} if kept is None else {MMAP: kept})


def test_another_c_library_is_left_alone(monkeypatch):
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    allocator.keep_freed_memory()
