"""The page of `audio-cls serve`: a web server for this computer alone that takes one sound at a time.

It gives out the fixed files of `page/` and what the model is, and answers a sound that is posted to /predict. No path
is ever made of what a request says. Requests that a page of somebody else has a browser make are refused: by their
Host (a foreign name that leads here), their Origin and Sec-Fetch-Site, and a content type that forms cannot send.
"""

import errno
import json
import os
import socket
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from audio_cls.data.formats import AUDIO_SUFFIXES, OPTIONAL_SUFFIXES
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.page_answer import answer_of
from audio_cls.terminal import printable, say
from audio_cls.wording import UserError

ADDRESS = "127.0.0.1"
MOST_BYTES = 200_000_000  # of a sound: 17 minutes of CD stereo, hours of MP3
PATIENCE = 20.0  # seconds without a byte
UPLOAD_SECONDS = 120.0  # for a whole sound
BLOCK = 2**18  # bytes
MOST_LETTERS = 200  # of a file's name
OWN_NAMES = frozenset({"127.0.0.1", "localhost"})
PAGE = Path(__file__).with_name("page")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
NAMES = ("page.css", "sound.js", "pictures.js", "server.js", "page.js")
FILES = {"/": "index.html"} | {f"/{name}": name for name in NAMES}
# What the page may do: run its own scripts, ask this server, play what was dropped. Nothing from elsewhere.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:;"
    " media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self)",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Refused(Exception):
    """A request that is not answered: the status, and why in a line."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class PortTaken(UserError):
    """No port to be found at, in one line."""


class PageServer(ThreadingHTTPServer):
    """Serves the page of a classifier on 127.0.0.1. Raises OSError where the port is taken.

    Args:
        classifier: who answers.
        port: 0 for any that is free.
        folder: where sounds lie while they are heard; whoever made it removes it.
    """

    daemon_threads = True  # a sound that is being heard does not delay Ctrl-C
    allow_reuse_address = os.name != "nt"  # there it would let two programs have the same port

    def __init__(self, classifier: LoadedClassifier, port: int, folder: Path) -> None:
        self.classifier = classifier
        self.folder = folder
        self.files = {path: (PAGE / name).read_bytes() for path, name in FILES.items()}
        self.one_at_a_time = threading.Lock()
        super().__init__((ADDRESS, port), _Handler)

    @property
    def address(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever has asked has gone: nobody needs to know."""


@contextmanager
def page_server(classifier: LoadedClassifier, ports: Sequence[int]) -> Iterator[PageServer]:
    """A server at the first of the ports that is free. Its temporary files are gone when the block ends, however it
    ends. Raises PortTaken where none is free."""
    with (
        tempfile.TemporaryDirectory(prefix="audio_cls-serve-", ignore_cleanup_errors=True) as folder,
        _at_a_free_port(classifier, ports, Path(folder)) as server,
    ):
        yield server


def _at_a_free_port(classifier: LoadedClassifier, ports: Sequence[int], folder: Path) -> PageServer:
    for port in ports:
        try:
            return PageServer(classifier, port, folder)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise PortTaken(f"port {port} cannot be used ({error.strerror}); choose another --port") from None
    taken = f"port {ports[0]} is" if len(ports) == 1 else f"ports {ports[0]} to {ports[-1]} are"
    raise PortTaken(f"{taken} taken by another program; choose another --port")


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = PATIENCE
    server_version = "audio_cls"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, method: Any) -> None:
        try:
            self._check_host()
            method()
        except Refused as refused:
            self._refuse(refused.status, str(refused))
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            say(printable(f"audio-cls serve: {self.path} failed:"))
            say(traceback.format_exc())
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the program failed; its terminal says more")

    def _get(self) -> None:
        path = urlsplit(self.path).path
        if path == "/model.json":
            self._send_json(HTTPStatus.OK, about(self.server.classifier))
        elif path in self.server.files:
            kind = TYPES[PurePosixPath(FILES[path]).suffix]
            self._send(HTTPStatus.OK, self.server.files[path], f"{kind}; charset=utf-8")
        else:
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _post(self) -> None:
        if self.path not in ("/predict", "/predict?sound"):
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        self._check_origin()
        if self.headers.get_content_type() != "application/octet-stream":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the bytes of one file as application/octet-stream")
        length = self._length()
        name = self._name()
        with self._kept(name, length) as path, self.server.one_at_a_time:
            answer = answer_of(self.server.classifier, path, name, with_sound=self.path.endswith("?sound"))
        self._send_json(HTTPStatus.OK, answer)

    def _check_host(self) -> None:
        """A page elsewhere whose name leads to this computer (DNS rebinding) has another host."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or _host_name(hosts[0]) not in OWN_NAMES:
            raise Refused(HTTPStatus.FORBIDDEN, f"this page is at {self.server.address} only")

    def _check_origin(self) -> None:
        """Browsers say where a request comes from; programs such as curl say nothing."""
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "same-origin")
        if origin not in (None, f"http://{self.headers['Host']}") or site != "same-origin":
            raise Refused(HTTPStatus.FORBIDDEN, "only this server's own page may send sounds")

    def _length(self) -> int:
        lengths = self.headers.get_all("Content-Length") or []
        if "Transfer-Encoding" in self.headers or len(lengths) != 1 or not lengths[0].strip().isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "say how long the file is: Content-Length is missing")
        length = int(lengths[0][:20])
        if length > MOST_BYTES:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the file has {length / 1e6:,.0f} MB; the page takes {MOST_BYTES / 1e6:.0f} MB at most. audio-cls"
                " predict takes files of any size",
            )
        return length

    def _name(self) -> str:
        """What the file is called, to be shown; nothing is opened under this name."""
        name = unquote(self.headers.get("X-File-Name", ""), errors="replace")
        return printable(PureWindowsPath(name).name[:MOST_LETTERS]) or "sound"

    @contextmanager
    def _kept(self, name: str, length: int) -> Iterator[Path]:
        """The posted bytes as a temporary file that is gone afterwards."""
        suffix = PurePosixPath(name).suffix.lower()
        known = suffix if suffix in AUDIO_SUFFIXES | OPTIONAL_SUFFIXES else ""
        descriptor, path = tempfile.mkstemp(known, dir=self.server.folder)
        try:
            with open(descriptor, "wb") as file:
                self._receive(file, length)
            yield Path(path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(path)

    def _receive(self, file: BinaryIO, length: int) -> None:
        given_up = time.monotonic() + UPLOAD_SECONDS
        while length:
            if time.monotonic() > given_up:
                raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"the file did not arrive within {UPLOAD_SECONDS:.0f} s")
            try:
                block = self.rfile.read1(min(BLOCK, length))
            except TimeoutError:
                raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"nothing arrived for {PATIENCE:.0f} s") from None
            if not block:
                raise ConnectionError("the file ended early")
            file.write(block)
            length -= len(block)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._send_json(status, {"error": reason})
        self.connection.settimeout(0.5)
        with suppress(OSError):  # a body that nobody reads would cut the answer off: a part of it is taken in
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            for _ in range(16):
                if not self.connection.recv(BLOCK):
                    break

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class has to say of requests that it cannot read: a line, as all that is refused."""
        self._refuse(HTTPStatus(code), HTTPStatus(code).phrase)

    def _send_json(self, status: HTTPStatus, values: dict[str, Any]) -> None:
        content = json.dumps(values, allow_nan=False).encode()
        self._send(status, content, "application/json")

    def _send(self, status: HTTPStatus, content: bytes, content_type: str) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": content_type, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing is said of requests."""


def about(classifier: LoadedClassifier) -> dict[str, Any]:
    """What the page says of the model."""
    return {
        "name": classifier.name,
        "classes": list(classifier.classes),
        "sample_rate": classifier.sample_rate,
        "crop_seconds": classifier.crop_samples / classifier.sample_rate,
        "most_bytes": MOST_BYTES,
    }


def _host_name(host: str) -> str:
    return host.rpartition(":")[0] if ":" in host else host
