"""`audio-cls ablation`: what each of several changes brought, and that it is read, not typed."""

import io
import math
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from support.study_folders import CLASSES, edit_metrics, write_histories, write_variant

from audio_cls.analysis.summary import Spread
from audio_cls.cli.main import main
from audio_cls.figures import job
from audio_cls.figures.variants import ablation_figure
from audio_cls.reports.ablation import ablation_table, read_ablation
from audio_cls.reports.console import print_table

BASE = {
    "preset": None,
    "protocol": "holdout",
    "output_dir": "/elsewhere",
    "model": {"name": "transformer", "stem": "channels", "num_heads": 4, "d_model": 2000, "norm": "post"},
    "optimizer": {"lr": 1e-3},
    "trainer": {"loss_on": "probabilities", "max_epochs": 3},
}
FRAMES = {"model": BASE["model"] | {"stem": "frames", "d_model": 2048}}
LOGITS = FRAMES | {"trainer": BASE["trainer"] | {"loss_on": "logits"}}
VARIANTS = {
    "original": {},
    "frames": FRAMES,
    "logits": LOGITS,
    "two_heads": LOGITS | {"model": {**LOGITS["model"], "num_heads": 2}},
}
ORDER = "original,frames,logits,two_heads"


def write_config(folder: Path, **changes) -> None:
    fold, seed = (int(part[4:]) for part in folder.name.split("-"))
    content = BASE | {"fold": fold, "seed": seed} | changes
    (folder / "config.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """Four variants of four folds, of which each is one change to the one before."""
    monkeypatch.chdir(tmp_path)
    path = Path("outputs/path")
    for place, (name, changes) in enumerate(VARIANTS.items()):
        write_variant(path, name, chance=0.5 + 0.1 * place, num_clips=20)
        for folder in (path / name).iterdir():
            write_config(folder, **changes)
    write_histories(path)
    return path


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main(["ablation", "path", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def changed_keys(ablation) -> list:
    return [change.changed_keys for change in ablation.changes]


# What changed


def test_every_variant_is_held_against_the_one_before_it(study):
    assert changed_keys(read_ablation(study, ORDER.split(","))) == [
        None,
        ("model.d_model: 2000 → 2048", "model.stem: channels → frames"),
        ("trainer.loss_on: probabilities → logits",),
        ("model.num_heads: 4 → 2",),
    ]
    assert changed_keys(read_ablation(study, ["two_heads", "logits"])) == [None, ("model.num_heads: 2 → 4",)]


@pytest.mark.parametrize("order", [["original", "frames", "logits"], ["frames", "logits"]])
def test_or_every_one_against_the_same(study, order):
    ablation = read_ablation(study, order, against="original")
    frames = ("model.d_model: 2000 → 2048", "model.stem: channels → frames")
    assert [change.row.variant for change in ablation.changes] == ["original", "frames", "logits"]
    assert changed_keys(ablation) == [None, frames, (*frames, "trainer.loss_on: probabilities → logits")]
    assert ablation.title == "path: each change to original"


def test_the_same_configuration_twice_is_no_change_wherever_it_was_trained(study):
    for folder in (study / "two_heads").iterdir():
        write_config(folder, **LOGITS, output_dir="/another/place")
    change = read_ablation(study, ["logits", "two_heads"]).changes[1]
    assert (change.changed_keys, change.changed) == ((), "nothing")


def test_another_kind_of_model_is_one_change_and_the_keys_that_it_alone_has_are_left_out(study):
    for folder in (study / "two_heads").iterdir():
        write_config(folder, **LOGITS | {"model": {"name": "cnn"}, "optimizer": {"lr": 0.0003}})
    ablation = read_ablation(study, ["logits", "two_heads"])
    assert ablation.changes[1].changed_keys == ("model.name: transformer → cnn", "optimizer.lr: 0.001 → 0.0003")


# What it brought


def test_figures_are_means_over_folds_of_what_the_jobs_say(study):
    losses = [0.5, 0.7, 1.1, 1.3]
    for fold, loss in enumerate(losses):
        folder = study / f"frames/fold{fold}-seed0"
        edit_metrics(folder, train={"accuracy": 0.6 + 0.1 * fold, "f1_macro": 0.5, "auroc_macro": None})
        lines = ["epoch,train_loss,train_accuracy", "0,9,0.1", f"1,{loss},{0.2 + 0.1 * fold}"]
        (folder / "history.csv").write_text("\n".join(lines) + "\n")
    change = read_ablation(study, ORDER.split(",")).changes[1]
    assert change.last_loss == pytest.approx(0.9) and change.last_accuracy == pytest.approx(0.35)
    assert change.row.train_accuracy == pytest.approx(0.75)
    heads, _, second, *_ = ablation_table(read_ablation(study, ORDER.split(","))).texts()
    shown = dict(zip(heads, second, strict=True))
    assert shown["Validation clips"].startswith(f"{100 * change.row.ranking.accuracy.mean:.1f} ± ")
    assert (shown["Last loss"], shown["Last accuracy"], shown["Train"]) == ("0.900", "35.0", "75.0")
    assert (shown["Folds"], shown["Epochs"], shown["Parameters"], shown["Time"]) == ("0-3", "3", "1,000", "12 s")


def test_the_mean_is_over_folds_first_averaged_over_their_seeds(study):
    write_variant(study, "frames", folds=[0], seeds=[1], num_clips=20)
    write_config(study / "frames/fold0-seed1", **FRAMES)
    write_histories(study)
    (study / "frames/fold0-seed1/history.csv").write_text("epoch,train_loss,train_accuracy\n0,2.3333333,0.5\n")
    ablation = read_ablation(study, ORDER.split(","))
    assert ablation.changes[1].last_loss == pytest.approx((4 / 3 + 3 * 1 / 3) / 4)
    assert any("Folds and seeds differ between the variants" in note for note in ablation.notes)


def test_a_history_that_is_not_there_leaves_a_dash(study):
    for path in study.glob("frames/*/history.csv"):
        path.unlink()
    heads, _, second = ablation_table(read_ablation(study, ["original", "frames"])).texts()
    assert dict(zip(heads, second, strict=True))["Last loss"] == "-"


def test_losses_on_probabilities_are_said_to_have_another_floor_where_both_kinds_occur(study):
    right = F.one_hot(torch.tensor([1]), len(CLASSES)).float()
    floor = F.cross_entropy(right, torch.tensor([1])).item()  # as training takes probabilities for logits
    (note,) = (note for note in read_ablation(study, ORDER.split(",")).notes if "loss_on" in note)
    assert note.startswith("The losses of original, frames cannot") and f" {floor:.3f}," in note
    assert math.log(1 + 9 / math.e) == pytest.approx(1.461, abs=5e-4)  # ten classes
    for order in (["original", "frames"], ["logits", "two_heads"]):
        assert not any("loss_on" in note for note in read_ablation(study, order).notes)


# The table and the page


def test_without_out_the_table_is_printed_and_nothing_written(study, capsys):
    before = sorted(study.parent.parent.rglob("*"))
    status, out, _ = run(capsys, "--order", ORDER)
    lines = out.splitlines()
    assert status == 0 and lines[0] == "path: one change at a time"
    assert lines[1].split()[:3] == ["Variant", "Validation", "clips"]
    assert [line.split()[0] for line in lines[2:6]] == ORDER.split(",")
    assert lines[6] == "frames: model.d_model: 2000 → 2048; model.stem: channels → frames"
    assert "two_heads: model.num_heads: 4 → 2" in lines
    assert sorted(study.parent.parent.rglob("*")) == before


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_narrow_terminal_keeps_both_accuracies_and_says_where_the_rest_is(study, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    ablation = read_ablation(study, ORDER.split(","))
    print_table(ablation_table(ablation, with_changes=False), ablation.title, ["a note"], "elsewhere", terminal)
    assert "Validation clips" in terminal.getvalue() and "Train" in terminal.getvalue()
    assert "Parameters" not in terminal.getvalue()
    assert "a note" in terminal.getvalue() and "elsewhere" in terminal.getvalue()


def test_the_page_begins_with_the_command_that_writes_it_again(study, capsys, tmp_path):
    out = Path("docs/steps.md")
    assert run(capsys, "--order", "frames, logits", "--each-against", "original", "--out", str(out))[0] == 0
    page = out.read_text()
    first, _, title = page.splitlines()[:3]
    assert title == "# path: each change to original"
    assert first.startswith("Written by `audio-cls ablation ") and first.endswith("`; not edited.")
    command = shlex.split(first.partition("`")[2].partition("`")[0])
    assert command[1:] == [
        *("ablation", "outputs/path", "--order", "original,frames,logits"),
        *("--each-against", "original", "--out", "docs/steps.md"),
    ]
    picture = out.with_suffix(".png")
    assert "](steps.png)" in page and imread(picture).shape[0] > 50
    out.unlink(), picture.unlink()
    assert main(command[1:]) == 0
    assert out.read_text() == page and picture.exists()
    assert str(tmp_path) not in page


def test_its_table_says_what_changed(study, capsys):
    assert run(capsys, "--order", ORDER, "--out", "steps.md")[0] == 0
    lines = [line for line in Path("steps.md").read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][:3] == ["Variant", "Changed", "Validation clips"]
    assert [line[1] for line in cells[2:]] == [
        "-",
        "model.d_model: 2000 → 2048; model.stem: channels → frames",
        "trainer.loss_on: probabilities → logits",
        "model.num_heads: 4 → 2",
    ]
    assert len({len(line) for line in cells}) == 1


def test_a_page_outside_names_no_folder_of_the_machine(study, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "outputs/path/frames")
    assert main(["ablation", str(tmp_path / study), "--order", "frames,logits", "--out", str(tmp_path / "a.md")]) == 0
    first = (tmp_path / "a.md").read_text().splitlines()[0]
    assert first == "Written by `audio-cls ablation PATH/path --order frames,logits --out PATH/a.md`; not edited."


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--order", "original,frame"], "no variant 'frame' in the study; did you mean frames?"),
        (["--order", "original,zzz"], "no variant 'zzz' in the study; there is frames, logits, original, two_heads"),
        (
            ["--order", "frames", "--each-against", "orignal"],
            "no variant 'orignal' in the study; did you mean original?",
        ),
        (["--order", "original,"], "no variant '' in the study"),
        (["--order", "frames,logits,frames"], "--order names frames twice"),
        (["--order", "frames"], "--order names frames alone; name at least two variants"),
        (["--order", ORDER, "--out", "steps.html"], "--out steps.html: the page is Markdown; call it steps.md"),
    ],
)
def test_a_mistake_is_one_line_with_status_2_and_nothing_is_written(study, capsys, arguments, message):
    before = sorted(study.parent.parent.rglob("*"))
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in err and err.count("\n") == 1
    assert sorted(study.parent.parent.rglob("*")) == before


def test_a_study_that_nothing_can_be_told_of_is_refused_in_one_line(study, capsys):
    refused = {}
    (study / "logits/fold2-seed0/config.yaml").write_text("[")
    refused["logits/fold2-seed0 has no readable config.yaml"] = "original,logits"
    write_config(study / "frames/fold1-seed0", **FRAMES | {"optimizer": {"lr": 0.1}})
    refused["optimizer.lr is 0.001 in frames/fold0-seed0 and 0.1 in frames/fold1-seed0"] = "original,frames"
    for folder in (study / "two_heads").iterdir():
        edit_metrics(folder, status="failed")
    refused["two_heads has no finished job in outputs/path"] = "original,two_heads"
    for message, order in refused.items():
        status, _, err = run(capsys, "--order", order)
        assert status == 2 and message in err and err.count("\n") == 1


def test_a_study_without_jobs_or_held_out_clips_is_refused_in_one_line(study, capsys):
    Path("outputs/empty").mkdir()
    write_variant(Path("outputs/everything"), "a", folds=[0], protocol="all")
    for name, message in (("empty", "outputs/empty holds no job"), ("everything", "holds out no clips (protocol=all)")):
        assert main(["ablation", name, "--order", "a,b"]) == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1


# The figure


def spread(mean: float) -> Spread:
    return Spread(mean, 0.05, (mean - 0.1, mean + 0.1))


def points(figure: Figure, colour: str) -> list[tuple[float, float]]:
    lines = [line for line in figure.axes[0].lines if line.get_marker() == "o" and line.get_color() == colour]
    return [(float(x), float(y)) for line in lines for x, y in zip(*line.get_data(), strict=True)]


def test_the_figure_has_both_accuracies_of_each_variant_from_top_to_bottom_and_chance():
    held_out = {"a": spread(0.3), "b": spread(0.5), "$c$": Spread(0.8, None, None)}
    figure = ablation_figure(held_out, {"a": 0.9, "b": None, "$c$": 0.95}, 0.1, "validation clips")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "$c$"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top
    held, training = (handle.get_color() for handle in (axes.get_legend().legend_handles[place] for place in (1, 0)))
    assert points(figure, held) == [(0.3, 0), (0.5, 1), (0.8, 2)]
    assert points(figure, training) == [(0.9, 0), (0.95, 2)]
    bars = [line.get_xdata() for line in axes.lines if line.get_color() == held and line.get_marker() == "None"]
    assert [list(map(float, bar)) for bar in bars] == [pytest.approx([0.2, 0.4]), pytest.approx([0.4, 0.6])]
    (chance,) = (line for line in axes.lines if line.get_label() == "chance")
    assert list(chance.get_xdata()) == [0.1, 0.1]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "training clips",
        "validation clips",
        "chance",
    ]
    assert [text.get_text() for text in axes.texts] == ["30.0", "50.0", "80.0"]


@pytest.mark.parametrize("count", [2, 30])
def test_nothing_of_the_figure_is_cut_off_or_overlaps(tmp_path, count):
    held_out = {f"variant_{place}_" + "long" * 20: spread(place / count) for place in range(count)}
    figure = ablation_figure(held_out, dict.fromkeys(held_out, 1.0), 0.1, "test clips")
    job.save_figure(figure, tmp_path / "figure.png")
    picture = imread(tmp_path / "figure.png")[..., :3]
    assert (picture[[0, -1]] == 1).all() and (picture[:, [0, -1]] == 1).all()
    labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(labels))
    assert not any("…" not in text.get_text() and len(text.get_text()) > 60 for text in figure.findobj(Text))
