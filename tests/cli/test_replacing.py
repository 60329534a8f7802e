"""No command replaces a file that it did not write."""

import shlex

import pytest
from support.command_line import contents, write_sounds
from support.study_folders import write_variant

from audio_cls.cli.main import main


@pytest.mark.parametrize(
    ("command", "theirs"),
    [
        ("predict esc10-holdout/cnn/fold0-seed0 . --out mine.csv", "mine.csv"),
        ("report esc10-holdout --out mine.html", "mine.html"),
        ("report esc10-holdout", "outputs/esc10-holdout/report.html"),
        ("ablation esc10-holdout --order cnn,other --out mine.md", "mine.md"),
        ("ablation esc10-holdout --order cnn,other --out mine.md", "mine.png"),
        ("attention esc10-holdout/cnn/fold0-seed0 a.wav --out mine.png", "mine.png"),
        ("attention esc10-holdout/cnn/fold0-seed0 a.wav", "outputs/esc10-holdout/cnn/fold0-seed0/attention_a.png"),
        ("compare esc10-holdout", "outputs/esc10-holdout/summary.json"),
        ("compare esc10-holdout", "outputs/esc10-holdout/summary.md"),
        ("explore sounds --out outputs", "outputs/index.html"),
        ("publish", "docs/results.md"),
        ("publish esc10-holdout", "results/esc10-holdout/cnn/fold0-seed0/notes.md"),
        ("publish esc10-holdout", "results/esc10-holdout/commands.txt"),
    ],
)
def test_a_file_that_the_command_did_not_write_is_never_replaced(outputs, tmp_path, capsys, command, theirs):
    write_variant(outputs / "esc10-holdout", "other")
    write_sounds(tmp_path / "sounds", {"a": 2, "b": 2})
    (tmp_path / "results").mkdir()
    path = tmp_path / theirs
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("file,label\nmine")
    before = contents(tmp_path)
    assert main(shlex.split(command)) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert path.name in said.err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("command", ["compare esc10-holdout", "report esc10-holdout"])
def test_what_a_command_wrote_it_writes_again(outputs, command):
    assert [main(command.split()) for _ in range(2)] == [0, 0]
