"""The Markdown pages of the project, and the commands that they show."""

import re
import shlex
from pathlib import Path

from support.command_line import REPOSITORY

_SHELLS = ("bash", "console", "sh", "powershell")
_PROGRAMS = ("audio-cls", "python", "pip", "cat", "make")
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])


def text_of(page: Path | str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def commands(program: str, text: str) -> list[list[str]]:
    """Arguments of every call of a program in the code blocks of a page, with a shell's {a,b} resolved.

    A remark stands behind # or two blanks, and | hands the output on.
    """
    found = []
    for line in re.findall(r"^    (\S.*)$", text, flags=re.MULTILINE):
        words = shlex.split(re.split(r"\s{2,}|\s\|\s", line)[0], comments=True)
        if words[: len(program.split())] == program.split():
            found.append([each for word in words[len(program.split()) :] for each in _braces(word)])
    return found


def training_commands(text: str) -> list[list[str]]:
    return [*commands("python train.py", text), *commands("audio-cls train", text)]


def other_commands(text: str) -> list[list[str]]:
    return [words for words in commands("audio-cls", text) if words[:1] != ["train"]]


def _braces(word: str) -> list[str]:
    match = re.fullmatch(r"(.*)\{(.*,.*)\}(.*)", word)
    return [f"{match[1]}{middle}{match[3]}" for middle in match[2].split(",")] if match else [word]


def shell_lines(text: str) -> list[str]:
    """Every command of a page, in order: of indented lines, and of fences for a shell. Other lines are what they print.

    A remark stands behind # or two blanks.
    """
    fence, found = "", []
    for line in text.splitlines():
        if line.startswith("```"):
            fence = "" if fence else line.strip("`").strip() or "text"
        elif (fence in _SHELLS or (not fence and line.startswith("    "))) and line.strip():
            command = re.split(r"\s{2,}", line.strip())[0].partition(" #")[0].strip()
            found += [command] if command.split()[0] in _PROGRAMS else []
    return found


def python_blocks(text: str) -> list[str]:
    """The Python programs of a page, in order."""
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
