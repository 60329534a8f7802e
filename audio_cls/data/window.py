"""A file, or a part of one, that is looked into at any place."""

import io
import os
from pathlib import Path
from typing import Any


class Window(io.RawIOBase):
    """The bytes of a file from `begin` to `end` as a file of its own, with the bytes of `patches` in their places."""

    def __init__(self, path: Path, begin: int = 0, end: int | None = None) -> None:
        """Raises OSError."""
        self._file = open(path, "rb")  # noqa: SIM115 (closed in `close`)
        self._begin = begin
        self._position = 0
        self.path = path
        self.size = (os.fstat(self._file.fileno()).st_size if end is None else end) - begin
        self.patches: dict[int, bytes] = {}

    def at(self, position: int, size: int) -> bytes:
        """As many of the bytes as there are."""
        self._file.seek(self._begin + position)
        content = self._file.read(max(0, min(size, self.size - position)))
        for place, patch in self.patches.items():
            first, last = max(place, position), min(place + len(patch), position + len(content))
            if first < last:
                content = content[: first - position] + patch[first - place : last - place] + content[last - position :]
        return content

    def part(self, begin: int, end: int | None = None) -> "Window":
        return Window(self.path, self._begin + begin, self._begin + (self.size if end is None else end))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self.at(self._position, len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._file.close()
        super().close()
