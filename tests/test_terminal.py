"""Any name on any terminal, also one that is closed early: tried with processes and pipes of their own."""

import os
import subprocess
import sys

import pytest
from support.command_line import REPOSITORY

from audio_cls.terminal import printable, text_columns

AUDIO_CLS = [sys.executable, "-m", "audio_cls.cli.main"]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[bytes]:
    surroundings = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.run(command, capture_output=True, env=surroundings, timeout=100)


def first_line(command: list[str], lines: int = 1, also_errors: bool = False) -> tuple[int, bytes, bytes]:
    """Exit status, the first lines, and what was said on standard error, of a command that `| head` cuts off."""
    errors = subprocess.STDOUT if also_errors else subprocess.PIPE
    surroundings = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=surroundings) as process:
        assert process.stdout is not None
        said = b"".join(process.stdout.readline() for _ in range(lines))
        process.stdout.close()
        return process.wait(timeout=100), said, b"" if process.stderr is None else process.stderr.read()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dog.wav", "dog.wav"),
        ("鸟 ± 犬　كلب.wav", "鸟 ± 犬　كلب.wav"),
        ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),  # joiners belong to letters and emoji
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07\x9b", "\\x1b[31mred\\x07\\x9b"),
        ("gnp.\u202efdp\u2066", "gnp.\\u202efdp\\u2066"),
        (os.fsdecode(b"caf\xe9.wav"), "caf\\udce9.wav"),
    ],
)
def test_a_name_is_shown_in_one_line_that_no_terminal_obeys(name, shown):
    assert printable(name) == shown
    printable(name).encode("utf-8")


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("鸟a", 3), ("สุนัข", 3), ("é", 1), ("e\u0301", 1)])
def test_a_text_takes_as_many_columns_as_it_is_wide(text, columns):
    assert text_columns(text) == columns


@pytest.mark.parametrize("surroundings", [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_any_character_can_be_said_in_any_encoding(surroundings):
    code = (
        "import os; from audio_cls.terminal import *; open_terminal()\n"
        "name = '\\u9e1f \\xb1 ' + os.fsdecode(b'\\xe9')\n"
        "answer(name); say(name); print(name)"
    )
    done = run([sys.executable, "-c", code], **surroundings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"\\u9e1f ")
    assert done.stdout.count(b"\n") == 2
    assert done.stderr.startswith(b"\\u9e1f ")


@pytest.mark.parametrize("command", [["compare", "\x1b[31m鸟\n"], ["compare", "a", "\x1b[31m鸟\n"]])
def test_a_mistake_is_one_line_whatever_was_typed(command):
    done = run([*AUDIO_CLS, *command], PYTHONIOENCODING="cp1252")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"\\u9e1f" in done.stderr
    assert b"\x1b" not in done.stderr


def test_output_that_nobody_reads_to_its_end_ends_a_command_quietly():
    command = [*AUDIO_CLS, "--help"]
    status, said, errors = first_line(command, lines=0)
    assert (said, errors) == (b"", b"")
    assert status in (0, 141)  # argparse does not say when it could not write
    endless = "def run(_):\n while True: say('x'); print('y')\n"
    code = f"from audio_cls.cli.main import *\n{endless}train.run = run\nsys.exit(main(['train']))"
    status, said, _ = first_line([sys.executable, "-c", code], also_errors=True)
    assert (status, said) == (141, b"x\n")


def test_what_must_be_finished_goes_on_when_nobody_reads_it(tmp_path):
    done = tmp_path / "done"
    code = (
        "import sys, subprocess, pathlib; from audio_cls.terminal import *; open_terminal(lasting=True)\n"
        "for i in range(9999): answer('out'); say('err'); print('more'); sys.stderr.write('x' * 99)\n"
        "subprocess.run(['echo', 'a child'], check=True)\n"
        f"pathlib.Path({str(done)!r}).touch()"
    )
    status, _, errors = first_line([sys.executable, "-c", code], also_errors=True)
    assert (status, errors) == (0, b"")
    assert done.exists()


def test_a_question_about_training_ends_quietly():
    status, said, errors = first_line([sys.executable, str(REPOSITORY / "train.py"), "--help"])
    assert status == 0
    assert said and not errors


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_were_closed_before_the_start_are_no_obstacle(closed, tmp_path):
    done = run(["sh", "-c", f'"$@" {closed}', "sh", *AUDIO_CLS, "compare", str(tmp_path / "nowhere")])
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    said = "from audio_cls.terminal import *; open_terminal(); answer('out'); say('err'); print('more')"
    assert run(["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-c", said]).returncode == 0
