import hashlib
import io
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from audio_cls.data import download as download_module
from audio_cls.data.clips import DataError
from audio_cls.data.download import ESC10_URL, default_esc10_root, download_esc10, read_sums, verify_esc10

FILES = {f"001 - Dog bark/{fold}-{fold}00-A.ogg": bytes([fold]) * 5000 for fold in range(1, 6)}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def archive_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ESC-10-553c/", b"")
        archive.writestr("ESC-10-553c/README.md", "about")
        for name, content in files.items():
            archive.writestr(f"ESC-10-553c/{name}", content)
    return buffer.getvalue()


class Server:
    """Answers every request with `body`, pausing after half of it; `announced` is its Content-Length (None: none)."""

    def __init__(self) -> None:
        self.body, self.status, self.announced, self.pause, self.requests = archive_of(FILES), 200, -1, 0.0, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                self.send_response(outer.status)
                if outer.announced is not None:
                    self.send_header("Content-Length", str(len(outer.body) if outer.announced < 0 else outer.announced))
                self.end_headers()
                half = len(outer.body) // 2
                try:
                    self.wfile.write(outer.body[:half])
                    self.wfile.flush()
                    time.sleep(outer.pause)
                    self.wfile.write(outer.body[half:])
                except OSError:
                    pass  # the client went away

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/esc10.zip"


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()


def fetch(server: Server, destination: Path, timeout_seconds: float = 20) -> Path:
    return download_esc10(destination, server.url, timeout_seconds, sums=SUMS)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_the_packaged_sums_name_the_400_clips_of_the_published_commit():
    sums = read_sums()
    assert len(sums) == 400 and all(len(digest) == 64 for digest in sums.values())
    assert {name.split("/")[1][0] for name in sums} == set("12345")
    assert "553c8f1743b9dba6b282e1323c3ca8fa76923448" in ESC10_URL


def test_the_download_lands_whole_and_verified(server, tmp_path):
    root = fetch(server, tmp_path / "deep" / "esc10")
    assert {name: (root / name).read_bytes() for name in FILES} == FILES
    assert verify_esc10(root, SUMS) == [] and not (root / "README.md").exists()
    assert left_in(root.parent) == ["esc10"]


def test_a_whole_copy_is_not_downloaded_again(server, tmp_path):
    fetch(server, tmp_path / "esc10")
    assert fetch(server, tmp_path / "esc10") == tmp_path / "esc10" and server.requests == 1


def test_a_copy_that_is_not_whole_is_neither_used_nor_replaced(server, tmp_path):
    root = fetch(server, tmp_path / "esc10")
    first, second, *_ = sorted(FILES)
    (root / first).unlink()
    (root / second).write_bytes(b"other")
    assert verify_esc10(root, SUMS) == [f"{first}: missing", f"{second}: checksum differs"]
    with pytest.raises(DataError, match="not a whole copy of ESC-10 .*missing, 2 problems in all.: remove it"):
        fetch(server, root)
    assert server.requests == 1 and (root / second).read_bytes() == b"other"


def test_an_empty_folder_is_filled(server, tmp_path):
    (tmp_path / "esc10").mkdir()
    assert verify_esc10(fetch(server, tmp_path / "esc10"), SUMS) == []


def other_content(server):
    server.body = archive_of({name: content + b"x" for name, content in FILES.items()})


def one_file_less(server):
    server.body = archive_of(dict(list(FILES.items())[1:]))


def truncated_by_the_connection(server):
    server.announced = len(server.body) + 1000


def truncated_on_the_server(server):
    server.body = server.body[:-2000]


def truncated_without_a_length(server):
    server.body, server.announced = server.body[:-2000], None


def flipped_byte(server):
    body = bytearray(server.body)
    body[body.index(bytes([3]) * 100) + 50] ^= 1
    server.body = bytes(body)


def not_found(server):
    server.status = 404


def a_page_instead(server):
    server.body = b"<html>please log in</html>"


def slow(server):
    server.pause = 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (other_content, "the checksum of .* differs"),
        (one_file_less, "1 of 5 files are not in the archive, first '001 - Dog bark/1-100-A.ogg'"),
        (truncated_by_the_connection, "(?i)incomplete"),
        (truncated_on_the_server, "the archive is damaged"),
        (truncated_without_a_length, "the archive is damaged"),
        (flipped_byte, "the archive is damaged: Bad CRC-32"),
        (not_found, "the server answered 404 Not Found"),
        (a_page_instead, "the archive is damaged: File is not a zip file"),
        (slow, "the server was silent for 0.3 s"),
    ],
)
def test_whatever_goes_wrong_is_said_in_one_line_and_leaves_nothing(server, tmp_path, fault, message):
    fault(server)
    with pytest.raises(DataError, match=message) as error:
        fetch(server, tmp_path / "esc10", timeout_seconds=0.3 if fault is slow else 20)
    assert "\n" not in str(error.value) and server.url in str(error.value) and "data.root" in str(error.value)
    assert left_in(tmp_path) == []


def test_a_server_that_cannot_be_reached_is_said_in_one_line(server, tmp_path):
    url = "http://127.0.0.1:1/esc10.zip"
    with pytest.raises(DataError, match="(?i)refused") as error:
        download_esc10(tmp_path / "esc10", url, 1, sums=SUMS)
    assert "\n" not in str(error.value) and left_in(tmp_path) == []


def test_a_server_that_sends_without_end_is_cut_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "MAX_ARCHIVE_BYTES", 1000)
    with pytest.raises(DataError, match="more than 1000 bytes came"):
        fetch(server, tmp_path / "esc10")
    assert left_in(tmp_path) == []


def test_an_archive_cannot_place_files_elsewhere(server, tmp_path):
    server.body = archive_of(FILES | {"../../evil.txt": b"x", "/evil.txt": b"x", "001 - Dog bark/../../evil.txt": b"x"})
    root = fetch(server, tmp_path / "inner" / "esc10")
    assert not list(tmp_path.rglob("evil.txt"))
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*")) == sorted(FILES)


def test_a_download_that_is_interrupted_in_the_middle_leaves_nothing(server, tmp_path, monkeypatch):
    def interrupt(*arguments):
        assert list(tmp_path.rglob("archive.zip"))
        raise KeyboardInterrupt

    monkeypatch.setattr(download_module, "_extract", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path / "esc10")
    assert left_in(tmp_path) == []


CODE = (
    "import sys; from pathlib import Path; from audio_cls.data.download import download_esc10, read_sums; "
    "download_esc10(Path(sys.argv[1]), sys.argv[2], 10, sums=read_sums(Path(sys.argv[3])))"
)


def start(server: Server, destination: Path, tmp_path: Path) -> subprocess.Popen:
    sums = tmp_path / "sums"
    sums.write_text("".join(f"{digest}  {name}\n" for name, digest in SUMS.items()))
    command = [sys.executable, "-c", CODE, str(destination), server.url, str(sums)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once_download_once(server, tmp_path):
    server.pause = 0.3
    jobs = [start(server, tmp_path / "data" / "esc10", tmp_path) for _ in range(2)]
    assert [job.communicate()[1] for job in jobs] == ["", ""]  # no bar where there is no terminal
    assert [job.returncode for job in jobs] == [0, 0] and server.requests == 1
    assert verify_esc10(tmp_path / "data" / "esc10", SUMS) == []


def test_a_killed_download_lands_nothing_and_does_not_hinder_the_next(server, tmp_path):
    server.pause = 30
    destination = tmp_path / "data" / "esc10"
    job = start(server, destination, tmp_path)
    deadline = time.monotonic() + 20
    while not server.requests and time.monotonic() < deadline:
        time.sleep(0.02)
    job.kill()
    job.communicate()
    assert not destination.exists()
    server.pause = 0
    assert verify_esc10(fetch(server, destination), SUMS) == []
    assert left_in(destination.parent) == ["esc10"]


def test_a_destination_that_cannot_be_written_is_an_error(server, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        fetch(server, tmp_path / "file" / "esc10")


def test_the_default_folder_lies_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIO_CLS_CACHE", str(tmp_path))
    assert default_esc10_root() == tmp_path / "esc10"
