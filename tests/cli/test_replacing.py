"""No command replaces a file that it did not write."""

import shlex

import pytest
from support.command_line import contents, write_sounds
from support.study_folders import write_variant

from audio_cls.cli.main import main
from audio_cls.cli.publish import main as publish


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
    words = shlex.split(command)
    assert (publish(words[1:]) if words[0] == "publish" else main(words)) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert path.name in said.err
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "content",
    [
        "file,start_seconds,end_seconds,predicted,probability,flags,p_a,p_b,correct\nx.wav,0,1,a,1,,1,0,yes\n",
        "file,start_seconds,end_seconds,predicted,probability,flags,p_a,p_b\nx.wav,0,1,a,1,,1,0\nmy note\n",
        "this is about file,start_seconds,end_seconds,predicted,probability,flags,p_a\nmine\n",
        '"file,start_seconds,end_seconds,predicted,probability,flags,p_a"\nmine\n',
    ],
)
def test_a_table_that_was_changed_by_hand_is_not_replaced(outputs, tmp_path, capsys, content):
    (tmp_path / "mine.csv").write_text(content)
    assert main("predict esc10-holdout/cnn/fold0-seed0 . --out mine.csv".split()) == 2
    assert "mine.csv was changed since this command wrote it" in capsys.readouterr().err
    assert (tmp_path / "mine.csv").read_text() == content


def test_a_summary_of_the_users_own_is_kept_beside_the_figures_of_this_command(outputs, tmp_path, capsys):
    assert main(["compare", "esc10-holdout"]) == 0
    (outputs / "esc10-holdout/summary.md").write_text("mine")
    assert main(["compare", "esc10-holdout"]) == 2
    assert "summary.md was not written by this command" in capsys.readouterr().err


def test_a_study_that_was_renamed_is_summarized_again(outputs):
    assert main(["compare", "esc10-holdout"]) == 0
    (outputs / "esc10-holdout").rename(outputs / "other")
    assert [main(["compare", "other"]) for _ in range(2)] == [0, 0]


def test_a_folder_in_the_place_of_a_file_is_a_mistake(outputs, tmp_path, capsys):
    (tmp_path / "mine.html").mkdir()
    assert main("report esc10-holdout --out mine.html".split()) == 2
    assert "mine.html is a folder; choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["compare esc10-holdout", "report esc10-holdout"])
def test_what_a_command_wrote_it_writes_again(outputs, command):
    assert [main(command.split()) for _ in range(2)] == [0, 0]
