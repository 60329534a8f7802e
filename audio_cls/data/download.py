"""ESC-10 from where it was published: downloaded whole and checked file by file, or not at all."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from filelock import FileLock

from audio_cls.data.cache import default_cache_dir
from audio_cls.data.clips import DataError
from audio_cls.files import replacing_folder
from audio_cls.terminal import progress_bar
from audio_cls.wording import one_line

ESC10_COMMIT = "553c8f1743b9dba6b282e1323c3ca8fa76923448"
ESC10_URL = f"https://github.com/karoldvl/ESC-10/archive/{ESC10_COMMIT}.zip"
ESC10_SHA256SUMS = Path(__file__).with_name("esc10.sha256")
MAX_ARCHIVE_BYTES = 200_000_000  # the archive has about 40 MB; a server that sends without end is cut off
MAX_CLIP_BYTES = 5_000_000  # the largest clip has below 200 kB
CHUNK_BYTES = 2**18


def read_sums(path: Path = ESC10_SHA256SUMS) -> dict[str, str]:
    """Name -> SHA-256 in hex, from a file as `sha256sum` writes it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines if line)}


def verify_esc10(root: Path, sums: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a copy: 'name: missing' or 'name: checksum differs', in the order of the names."""
    problems = []
    for name, digest in sorted((sums or read_sums()).items()):
        path = Path(root) / name
        if not path.is_file():
            problems.append(f"{name}: missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            problems.append(f"{name}: checksum differs")
    return problems


def default_esc10_root() -> Path:
    """Where `download_esc10` puts the data set unless told otherwise."""
    return default_cache_dir() / "esc10"


def download_esc10(
    destination: Path,
    url: str = ESC10_URL,
    timeout_seconds: float = 15,
    sums: Mapping[str, str] | None = None,
    progress: bool = True,
) -> Path:
    """The folder `destination` with every clip of ESC-10, which is left as it is where it is whole already.

    The timeout is for the connection and for each silence of the server. Raises DataError, in one line, for whatever
    goes wrong; nothing is left behind then. Processes that want the same folder at once wait for the first of them.
    """
    destination, sums = Path(destination).expanduser().absolute(), dict(sums or read_sums())
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(destination.with_name(f".{destination.name}.lock")):
            if _is_there(destination, sums):
                return destination
            with replacing_folder(destination) as partial:
                archive = partial / "archive.zip"
                _fetch(url, archive, timeout_seconds, progress)
                _extract(archive, partial, url, sums)
                archive.unlink()
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{destination} cannot be written ({reason}): make room there, or set data.root") from error
    return destination


def _is_there(destination: Path, sums: Mapping[str, str]) -> bool:
    if not destination.exists() or (destination.is_dir() and not any(destination.iterdir())):
        return False
    problems = verify_esc10(destination, sums)
    if problems:
        raise DataError(
            f"{destination} is not a whole copy of ESC-10 ({problems[0]}, {len(problems)} problems in all): "
            f"remove it, or point data.root elsewhere"
        )
    return True


def _fetch(url: str, path: Path, timeout_seconds: float, progress: bool) -> None:
    import requests  # 0.1 s

    try:
        with requests.get(url, stream=True, timeout=timeout_seconds) as response, open(path, "wb") as file:
            if response.status_code != 200:
                raise _failure(url, f"the server answered {response.status_code} {response.reason}")
            announced = int(response.headers.get("Content-Length") or 0)
            received = 0
            with progress_bar(progress) as bar:
                task = bar.add_task("downloading ESC-10 (bytes)", total=announced or None)
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    received += len(chunk)
                    bar.update(task, completed=received)
                    if received > MAX_ARCHIVE_BYTES:
                        raise _failure(url, f"more than {MAX_ARCHIVE_BYTES} bytes came")
    except requests.RequestException as error:
        reason = _cause(error)  # a silence between two chunks is not a requests.Timeout
        silent = isinstance(error, requests.Timeout) or "timed out" in reason
        raise _failure(url, f"the server was silent for {timeout_seconds:g} s" if silent else reason) from None


def _extract(archive: Path, folder: Path, url: str, sums: Mapping[str, str]) -> None:
    """Only files whose names are in `sums` are written, so an archive cannot place a file anywhere else."""
    try:
        with zipfile.ZipFile(archive) as content:
            # The archive of a commit wraps everything in one folder.
            names = ((member, PurePosixPath(member.filename)) for member in content.infolist() if not member.is_dir())
            members = {str(PurePosixPath(*name.parts[1:])): member for member, name in names}
            missing = sorted(set(sums) - set(members))
            if missing:
                raise _failure(url, f"{len(missing)} of {len(sums)} files are not in the archive, first {missing[0]!r}")
            for name, digest in sums.items():
                with content.open(members[name]) as member:
                    clip = member.read(MAX_CLIP_BYTES)
                if hashlib.sha256(clip).hexdigest() != digest:
                    raise _failure(url, f"the checksum of {name!r} differs")
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(clip)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise _failure(url, f"the archive is damaged: {error}") from None


def _failure(url: str, reason: str) -> DataError:
    return DataError(
        f"ESC-10 could not be downloaded from {url}: {reason}. Try again, or copy it by hand and point data.root at it"
    )


def _cause(error: BaseException) -> str:
    """The innermost reason of nested network errors, in one line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return one_line(error)
