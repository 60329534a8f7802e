import http.client
import json
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.short_tones import train, train_cnn

from audio_cls.serving import server as serving
from audio_cls.serving.load import load_classifier
from audio_cls.serving.server import HEADERS, PageServer, PortTaken, page_server

SOUND = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def classifier(folder):
    return load_classifier(train(folder).folder)


@pytest.fixture(scope="module")
def server(classifier):
    yield from running(classifier)


def running(classifier):
    with page_server(classifier, [0]) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def clip(folder) -> bytes:
    return (folder / "tones/high/high-0.wav").read_bytes()


def ask(server: PageServer, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None):
    """Status, headers and content of the answer; headers of None are left out."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    given = {"Host": f"127.0.0.1:{server.server_port}", "Content-Length": None if body is None else str(len(body))}
    connection.putrequest(method, path, skip_host=True)
    for name, value in (given | (headers or {})).items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def predict(server: PageServer, body: bytes, path: str = "/predict", **headers: str):
    """Status and object of the answer on a sound."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, _, content = ask(server, "POST", path, body, SOUND | named)
    return status, json.loads(content)


def kept(server: PageServer) -> list[str]:
    return [path.name for path in server.folder.iterdir()]


def until(holds) -> None:
    given_up = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < given_up
        time.sleep(0.01)


def wav(tmp_path: Path, seconds: float, value: float = 0.1) -> bytes:
    samples = value * np.random.default_rng(0).standard_normal(round(seconds * 4_000))
    soundfile.write(tmp_path / "noise.wav", samples, 4_000)
    return (tmp_path / "noise.wav").read_bytes()


def test_the_page_is_given_out_with_its_policy_and_names_what_it_needs(server):
    for path, name in serving.FILES.items():
        status, headers, content = ask(server, "GET", path)
        assert (status, content) == (200, (serving.PAGE / name).read_bytes())
        assert all(headers[each] == value for each, value in HEADERS.items())
        assert headers["Server"].strip() == "audio_cls"
    index = (serving.PAGE / "index.html").read_text(encoding="utf-8")
    assert all(f'"{name}"' in index for name in serving.NAMES)
    assert "http" not in index.replace("http://www.w3.org/2000/svg", "")


def test_it_says_what_the_model_is(server, classifier):
    status, _, content = ask(server, "GET", "/model.json")
    about = json.loads(content)
    assert (status, about["classes"], about["name"]) == (200, ["high", "low"], classifier.name)
    assert (about["sample_rate"], about["crop_seconds"]) == (4_000, 0.25)


def test_a_clip_is_answered_as_predict_does_and_with_what_is_drawn(server, classifier, clip, folder):
    status, answer = predict(server, clip, X_File_Name="high%20one.wav")
    assert status == 200 and answer["error"] is None and answer["file"] == "high one.wav"
    waveform = soundfile.read(folder / "tones/high/high-0.wav", dtype="float32")[0]
    expected = classifier.probabilities(waveform).numpy()
    found = {each["label"]: each["probability"] for each in answer["predictions"]}
    assert [found["high"], found["low"]] == pytest.approx(expected.tolist(), abs=1e-5)
    assert answer["duration_seconds"] == 0.75 and not answer["is_recording"]
    assert len(answer["attention"]) > 4 and any(value is None or value > 0 for value in answer["attention"])
    assert answer["windows"] is answer["events"] is answer["sound"] is None
    assert kept(server) == []


def test_a_recording_has_windows_events_and_no_attention(server, tmp_path):
    _, answer = predict(server, wav(tmp_path, 5))
    assert answer["is_recording"] and answer["attention"] is None
    assert len(answer["windows"]) == len(answer["window_probabilities"]) > 30
    for window, row in zip(answer["windows"], answer["window_probabilities"], strict=True):
        assert max(row) == pytest.approx(window["probability"], abs=1e-4) and sum(row) == pytest.approx(1, abs=1e-3)
    assert all(event["label"] in ("high", "low") for event in answer["events"])
    assert "windows of 0.25 s, one every 0.125 s" in answer["notes"][0]


def test_windows_with_flags_are_counted(server, tmp_path):
    wav(tmp_path, 5)
    samples, rate = soundfile.read(tmp_path / "noise.wav")
    soundfile.write(tmp_path / "noise.wav", np.concatenate([samples, np.zeros(2 * rate)]), rate)
    _, answer = predict(server, (tmp_path / "noise.wav").read_bytes())
    silent = sum("silent" in window["flags"] for window in answer["windows"])
    assert silent > 10 and f"{silent} of {len(answer['windows'])} windows are silent" in answer["notes"]


def test_silence_is_flagged(server, tmp_path):
    assert predict(server, wav(tmp_path, 0.5, value=0.0))[1]["flags"] == ["silent"]


def test_a_network_without_attention_is_answered_without_it(folder, classifier, clip):
    for server in running(load_classifier(train_cnn(folder).folder)):
        status, answer = predict(server, clip)
        assert (status, answer["error"], answer["attention"]) == (200, None, None)


def test_the_waveform_is_sent_where_the_page_asks_for_it(server, tmp_path):
    sound = predict(server, wav(tmp_path, 0.5), "/predict?sound")[1]["sound"]
    assert sound["sample_rate"] == 4_000 and len(sound["samples"]) == 4 * -(-2 * 2_000 // 3)


@pytest.mark.parametrize(
    "body", [b"", b"no sound at all" * 100, b"RIFF\0\0\0\0WAVE", b"\0" * 5_000, b"\x1aE\xdf\xa3" * 99]
)
def test_what_is_no_sound_is_answered_with_its_line(server, body):
    status, answer = predict(server, body, X_File_Name="broken.wav")
    assert status == 200 and answer["file"] == "broken.wav" and answer["predictions"] == []
    assert answer["error"] and "\n" not in answer["error"] and str(server.folder) not in answer["error"]
    assert kept(server) == []


@pytest.mark.parametrize(
    "path",
    ["/../server.py", "/page.css/../../server.py", "/%2e%2e/server.py", "//etc/passwd", "/etc/passwd", "/..\\server.py",
     "/index.html", "/predict", "http://elsewhere/", "/server.py", "/favicon.ico"],
)  # fmt: skip
def test_nothing_else_of_the_disk_is_given_out(server, path):
    status, _, content = ask(server, "GET", path)
    if path == "http://elsewhere/":
        assert content == (serving.PAGE / "index.html").read_bytes()  # the path of a proxy's request; the host counts
    else:
        assert (status, json.loads(content)) == (404, {"error": "there is nothing here"})
    assert predict(server, b"x", "/../predict")[0] == 404


@pytest.mark.parametrize(
    ("name", "shown"),
    [("..%2F..%2Fetc%2Fpasswd", "passwd"), ("C:%5Csounds%5Cdog.wav", "dog.wav"), ("", "sound"), ("a%0Ab", "a\\nb"),
     ("%FF.wav", "\ufffd.wav"), ("x" * 500, "x" * 200), ("%3Cimg%20src%3Dx%3E.wav", "<img src=x>.wav")],
)  # fmt: skip
def test_a_file_name_is_shown_and_never_used(server, clip, name, shown):
    status, answer = predict(server, clip, X_File_Name=name)
    assert (status, answer["file"], answer["error"]) == (200, shown, None)


@pytest.mark.parametrize("host", [None, "evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[::1]"])
def test_another_host_is_refused(server, clip, host):
    for method, path in (("GET", "/"), ("GET", "/model.json"), ("POST", "/predict")):
        status, _, content = ask(server, method, path, clip if method == "POST" else None, SOUND | {"Host": host})
        assert status == 403 and "this page is at http://127.0.0.1" in json.loads(content)["error"]


def test_localhost_is_this_computer_at_any_port(server, clip):
    assert ask(server, "GET", "/", headers={"Host": "localhost:9000"})[0] == 200  # a tunnel has a port of its own
    assert (
        ask(server, "POST", "/predict", clip, SOUND | {"Host": "localhost:9", "Origin": "http://localhost:9"})[0] == 200
    )


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
     {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_a_page_from_elsewhere_sends_no_sounds(server, clip, headers):
    status, _, content = ask(server, "POST", "/predict", clip, SOUND | headers)
    assert (status, json.loads(content)) == (403, {"error": "only this server's own page may send sounds"})


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
def test_what_forms_can_send_is_refused(server, clip, kind):
    assert ask(server, "POST", "/predict", clip, {"Content-Type": kind})[0] == 415


@pytest.mark.parametrize(
    "headers",
    [{"Content-Length": None}, {"Content-Length": "-1"}, {"Content-Length": "1e3"}, {"Content-Length": "+5"},
     {"Transfer-Encoding": "chunked"}],
)  # fmt: skip
def test_a_body_of_unknown_length_is_refused(server, headers):
    status, _, content = ask(server, "POST", "/predict", b"5\r\nhello\r\n0\r\n\r\n", SOUND | headers)
    assert status == 411 and "Content-Length" in json.loads(content)["error"]


def test_what_is_too_large_is_refused_before_it_is_read(server):
    for length in (serving.MOST_BYTES + 1, 10**30):
        status, _, content = ask(server, "POST", "/predict", None, SOUND | {"Content-Length": str(length)})
        assert status == 413 and "200 MB at most" in json.loads(content)["error"]


def test_other_methods_are_refused_in_a_line(server):
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "HEAD"):
        assert ask(server, method, "/")[0] == 501


def test_a_body_that_does_not_come_is_given_up(server, monkeypatch, capfd):
    monkeypatch.setattr(serving._Handler, "timeout", 0.2)
    status, _, content = ask(server, "POST", "/predict", b"abc", SOUND | {"Content-Length": "1000"})
    assert status == 408 and "nothing arrived" in json.loads(content)["error"]
    monkeypatch.setattr(serving, "UPLOAD_SECONDS", 0.0)
    assert ask(server, "POST", "/predict", b"abc", SOUND | {"Content-Length": "1000"})[0] == 408
    assert kept(server) == []
    assert capfd.readouterr().err == ""


def test_one_that_goes_away_leaves_nothing_behind(server, capfd):
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        lines = ("POST /predict HTTP/1.1", "Host: localhost", "Content-Type: application/octet-stream")
        connection.sendall("\r\n".join([*lines, "Content-Length: 99", "", "abc"]).encode())
        until(lambda: kept(server))
    until(lambda: not kept(server))
    assert capfd.readouterr().err == ""


def test_sounds_that_come_together_are_heard_one_after_the_other(server, clip, monkeypatch):
    usual, inside, most = serving.answer_of, [], []

    def counted(*arguments, **options):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)
        answer = usual(*arguments, **options)
        inside.pop()
        return answer

    monkeypatch.setattr(serving, "answer_of", counted)
    found = []
    threads = [threading.Thread(target=lambda: found.append(predict(server, clip))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1] and [status for status, _ in found] == [200] * 3
    assert found[0] == found[1] == found[2]


def test_an_error_of_ours_is_told_without_its_traceback(server, clip, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("a secret")

    monkeypatch.setattr(serving, "answer_of", fail)
    status, answer = predict(server, clip)
    assert status == 500 and set(answer) == {"error"} and "secret" not in answer["error"]
    assert "RuntimeError: a secret" in capsys.readouterr().err
    assert kept(server) == []


def test_it_listens_on_this_computer_alone_and_its_folder_goes_with_it(classifier):
    with page_server(classifier, [0]) as server:
        assert server.server_address[0] == "127.0.0.1"
        folder = server.folder
        (folder / "half a sound").touch()
        with page_server(classifier, [server.server_port, 0]) as second:
            assert second.server_port != server.server_port
        with pytest.raises(PortTaken, match=f"port {server.server_port} is taken by another program; choose another"):
            page_server(classifier, [server.server_port]).__enter__()
    assert not folder.exists()
