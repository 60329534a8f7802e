"""The command `serve` as a process: what it says, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest
from support.short_tones import train

from audio_cls.cli import serve
from audio_cls.cli.main import main


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("jobs")).folder


def test_a_folder_without_a_model_and_a_port_that_is_none_are_told_in_a_line(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "nothing")]) == 2
    assert main(["serve", str(tmp_path), "--port", "70000"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "does not exist" in said[0]
    assert said[1] == "audio-cls serve: --port 70000: ports go from 1 to 65535; without it a free one is found"


def test_a_port_that_is_taken_is_told_in_a_line(job, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(job), "--port", str(port)]) == 2
    assert (
        capsys.readouterr().err == f"audio-cls serve: port {port} is taken by another program; choose another --port\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_says_where_it_is_and_ends_quietly_in_the_middle_of_a_sound(job, tmp_path, number, status):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        port = busy.getsockname()[1]
    command = [sys.executable, "-m", "audio_cls.cli.main", "serve", str(job), "--port", str(port)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        line = process.stdout.readline()
        assert re.fullmatch(
            rf"tiny\S*, fold 0, seed 0 is at http://127.0.0.1:{port}/ on this computer; Ctrl-C stops it\n", line
        )
        assert b"What is this sound?" in urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            lines = ("POST /predict HTTP/1.1", "Host: localhost", "Content-Type: application/octet-stream")
            connection.sendall("\r\n".join([*lines, "Content-Length: 9", "", "abc"]).encode())
            while not list(tmp_path.glob("audio_cls-serve-*/*")):
                assert process.poll() is None
            process.send_signal(number)
            assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == status
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()


def test_the_next_free_port_is_taken_and_said(job, capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(serve, "PORT", taken.getsockname()[1])
        monkeypatch.setattr("audio_cls.serving.server.PageServer.serve_forever", lambda self: None)
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        assert main(["serve", str(job)]) == 0
    output = capsys.readouterr()
    assert f"port {serve.PORT} is taken by another program" in output.err
    assert "http://127.0.0.1:" in output.out and f":{serve.PORT}/" not in output.out
    assert not list(Path(tempfile.gettempdir()).glob("audio_cls-serve-*/*"))
