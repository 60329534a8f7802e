"""Floats on disk: read at any place without a map, written whole or not at all, made a few items ahead."""

import json
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from filelock import FileLock

from audio_cls.data.clips import DataError
from audio_cls.files import replacing_folder
from audio_cls.terminal import progress_bar

T = TypeVar("T")
R = TypeVar("R")

FLOATS, INDEX = "floats.f32", "index.json"  # of a folder: the numbers, and what they are
AHEAD = 2  # items made and waiting to be taken, for each worker: bounds the memory of a build


class FloatFile:
    """A file of float32 numbers that is only read.

    Raises OSError where there is none, ValueError where it does not hold `size` numbers.
    """

    def __init__(self, path: Path, size: int) -> None:
        if path.stat().st_size != 4 * size:
            raise ValueError(f"{path} has {path.stat().st_size} bytes, its index says {4 * size}")
        # Not mapped: pages of a map that were looked at count as this process's memory, which would grow with the data.
        self.path, self.size = path, size
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)

    def __reduce__(self) -> tuple[type, tuple[Path, int]]:
        return FloatFile, (self.path, self.size)  # a process that is handed it opens the file, not copies it

    def read(self, target: np.ndarray, begin: int) -> None:
        """Fills `target`, one number at least, from number `begin` on. Raises DataError where the file is shorter."""
        rest, place = target.data.cast("B"), 4 * begin
        while rest:
            num_bytes = self._read_bytes(rest, place)
            if not num_bytes:
                raise DataError(f"{self.path.parent} was cut short while it was in use: delete it and start again")
            rest, place = rest[num_bytes:], place + num_bytes

    def _read_bytes(self, target: memoryview, place: int) -> int:
        """Fills the beginning of `target` from byte `place` on; returns how much of it.

        Leaves no position behind: threads and forked processes share the file.
        """
        if hasattr(os, "preadv"):
            return os.preadv(self._file, [target], place)
        with open(self.path, "rb") as file:  # Windows
            file.seek(place)
            return file.readinto(target)


def build_once(folder: Path, open_whole: Callable[[], T], build: Callable[[BinaryIO], dict[str, Any]]) -> T:
    """What `open_whole` finds in `folder`; else `build` writes the floats and returns the index.

    `open_whole` raises OSError, ValueError, KeyError or TypeError for what is missing or damaged. Of several processes
    one builds, the others wait. Raises OSError where the folder cannot be written, and what `build` raises: nothing is
    kept then.
    """
    unusable = (OSError, ValueError, KeyError, TypeError)
    try:
        return open_whole()
    except unusable:
        folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        try:
            return open_whole()  # another job may have built it meanwhile
        except unusable:
            with replacing_folder(folder) as partial, open(partial / FLOATS, "wb") as file:
                (partial / INDEX).write_text(json.dumps(build(file)), encoding="utf-8")
                file.flush()
                os.fsync(file.fileno())
        return open_whole()


def in_order(make: Callable[[T], R], items: Sequence[T], task: str, progress: bool = True) -> Iterator[R]:
    """`make` of each item in order, made in threads a few ahead of the one asked for; a bar shows how far `task` is."""
    num_workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(num_workers)
    try:
        with progress_bar(progress) as bar:
            counted = bar.add_task(task, total=len(items))
            waiting: deque[Future[R]] = deque()
            for place, item in enumerate(items, start=1):
                waiting.append(pool.submit(make, item))
                while waiting and (len(waiting) >= AHEAD * num_workers or place == len(items)):
                    yield waiting.popleft().result()
                    bar.advance(counted)
    finally:
        pool.shutdown(cancel_futures=True)
