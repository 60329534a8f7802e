"""Minutes of training until the mean accuracy over the folds passes a mark, from the history.csv files of studies."""

import os
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

import yaml

from benchmarks import data
from benchmarks.processes import ROOT
from benchmarks.section import BenchmarkError, Numbers, Options, Target, table

TITLE = "To a result"
LIMIT_SECONDS = 600
MARKS = (0.85, 0.90)
PICTURE = "accuracy_over_minutes.png"
KEPT = ROOT / "results" / "esc10-holdout"
# Two transformers without their encoder: the default's own, within 4% of its parameters, and a CNN on log-mel alone.
POOLING = ["model.pool=mean", "model.num_layers=0", "model.stem_width=25", "model.num_stem_layers=4"]
VARIANTS = {
    "transformer_h4": ["model=transformer", "heads=4"],
    "transformer_pooling": ["variant=transformer_pooling", *POOLING],
    "logmel_cnn": ["experiment=logmel_cnn"],
    "original_cnn": ["experiment=original_cnn"],
}


def measure(options: Options) -> Numbers:
    if options.studies:
        return _read(options.studies)
    if not options.quick:
        return _read([KEPT], VARIANTS)
    with tempfile.TemporaryDirectory() as name:
        return _read([_train_quickly(Path(name))])


def _train_quickly(output: Path) -> Path:
    """One epoch of one fold of each variant, on synthetic clips."""
    from audio_cls.experiment.run_job import run_job

    few = ["study=quick", "fold=0", "trainer.max_epochs=1", "trainer.crops_per_clip=1", "trainer.validate_every=1"]
    for overrides in VARIANTS.values():
        run_job(data.make_jobs([*data.arguments(output, quick=True), *overrides, *few], output)[0], lambda _: [])
    return output / "quick"


def _read(studies: Iterable[Path], wanted: Collection[str] | None = None) -> Numbers:
    """For each variant: minutes of all folds together and the mean accuracy of their validation clips, by epoch."""
    from audio_cls.results import job_files
    from audio_cls.training.history import read_history

    found: dict[str, dict[tuple[int, int], list]] = defaultdict(dict)
    records, side_by_side = {}, {}
    for study in studies:
        for path in sorted(Path(study).glob("*/fold*-seed*/metrics.json")):
            record = job_files.read_metrics(path.parent) or {}
            named = wanted is None or record.get("variant") in wanted
            if named and record.get("status") == "done" and record.get("val"):
                records[record["variant"]] = record
                key = record["seed"], record["fold"]
                found[record["variant"]][key] = read_history(path.parent / "history.csv")
                side_by_side[record["variant"]] = _side_by_side(path.parent / "config.yaml")
    if not found:
        raise BenchmarkError(f"no finished job with validation clips in {', '.join(str(study) for study in studies)}")
    variants = {}
    for variant, histories in found.items():
        seed = min(seed for seed, _ in histories)
        folds = {fold: history for (other, fold), history in histories.items() if other == seed}
        record = records[variant]
        variants[variant] = {
            "dataset": record["dataset"],
            "parameters": record["num_parameters"],
            "folds": sorted(folds),
            "side_by_side": side_by_side[variant],
            "curve": _curve(list(folds.values()), side_by_side[variant]),
        }
    return {"variants": variants, "cores": os.cpu_count()}


def _side_by_side(config: Path) -> int:
    """How many jobs of its sweep trained at once, whose minutes are therefore the same."""
    found = yaml.safe_load(config.read_text(encoding="utf-8")) if config.exists() else {}
    return found.get("jobs") or 1


def _curve(histories: list[list[dict[str, float | None]]], side_by_side: int) -> list[tuple[float, float]]:
    """(minutes, accuracy) of the epochs that every fold has validated."""
    curve, seconds = [], 0.0
    for rows in zip(*histories, strict=False):
        seconds += sum(row["epoch_seconds"] for row in rows)
        accuracies = [row["val_accuracy"] for row in rows]
        if None not in accuracies:
            minutes = seconds / 60 / min(side_by_side, len(histories))
            curve.append((round(minutes, 4), round(sum(accuracies) / len(accuracies), 5)))
    return curve


def minutes_to(curve: list, mark: float) -> float | None:
    return next((minutes for minutes, accuracy in curve if accuracy >= mark), None)


def targets(numbers: Numbers) -> list[Target]:
    found = []
    for mark in MARKS:
        reached = [f"{name} {_minutes(variant['curve'], mark)}" for name, variant in numbers["variants"].items()]
        found.append(Target(f"minutes until {mark:.0%} over the development folds", ", ".join(reached), None))
    return found


def describe(numbers: Numbers) -> str:
    rows = [
        [
            name,
            f"{variant['parameters']:,}",
            len(variant["folds"]),
            variant["side_by_side"],
            *(_minutes(variant["curve"], mark) for mark in MARKS),
            f"{variant['curve'][-1][1]:.1%}" if variant["curve"] else "none",
            f"{variant['curve'][-1][0]:.1f}" if variant["curve"] else "none",
        ]
        for name, variant in numbers["variants"].items()
    ]
    datasets = ", ".join(sorted({variant["dataset"] for variant in numbers["variants"].values()}))
    columns = [
        "variant",
        "parameters",
        "folds",
        "at once",
        *(f"min to {mark:.0%}" for mark in MARKS),
        "at the end",
        "min in all",
    ]
    return "\n\n".join(
        [
            f"Accuracy on the validation clips of {datasets}, mean over the folds, one seed, against the minutes of"
            " training and validation of all folds together; minutes in which several folds were trained count once."
            " These folds were used for development. A mark is passed at the first epoch that reaches it.",
            table(columns, rows),
            f"![Accuracy over minutes of training]({PICTURE})",
            "Trained by:",
            "\n".join(f"    python train.py {' '.join(overrides)} -m" for overrides in VARIANTS.values()),
        ]
    )


def draw(numbers: Numbers, folder: Path) -> None:
    """Writes the picture of the curves, in the style of all figures."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    from audio_cls.figures.style import figure_style, variant_styles

    with figure_style():
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        styles = variant_styles(list(numbers["variants"]))
        for name, variant in numbers["variants"].items():
            if variant["curve"]:
                minutes, accuracy = zip(*variant["curve"], strict=True)
                percent = [100 * value for value in accuracy]
                marker = "." if len(minutes) < 5 else None
                axes.plot(minutes, percent, color=styles[name].colour, label=name, marker=marker)
        for mark in MARKS:
            axes.axhline(100 * mark, color="grey", linewidth=0.5, linestyle="--")
        axes.set(xlabel="minutes of training, all folds together", ylabel="accuracy on validation clips, %")
        axes.set(xscale="log", ylim=(0, 100))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda minutes, _: f"{minutes:g}"))
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(folder / PICTURE, dpi=120)


def _minutes(curve: list, mark: float) -> str:
    minutes = minutes_to(curve, mark)
    return "not reached" if minutes is None else f"{minutes:.1f}"
