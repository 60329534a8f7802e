"""How often flags are raised: on held-out clips, on clips of a class that training left out, on noise and tones.

    python docs/unknown_sounds.py CLIPS WORK [KEY=VALUE ...]

CLIPS is the folder of ESC-10. Into the folder WORK it trains `experiment=quick`, or what KEY=VALUE say, on every fold:
with all classes, and without each of them. Jobs that are done there are not repeated. Figures go to
docs/unknown_sounds.json, and from there into the table of docs/unknown_sounds.md; --table writes that alone.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from audio_cls.analysis.unsure import unsure_clips
from audio_cls.config.dataset import load_clips
from audio_cls.config.schema import DataConfig
from audio_cls.data.clips import ClipSet
from audio_cls.data.waveform_store import WaveformStore, open_store
from audio_cls.experiment.profile import training_profile
from audio_cls.files import read_csv, write_csv, write_json, write_text
from audio_cls.results.job_files import code_commit
from audio_cls.results.predictions import Predictions
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.flag_rates import FlagCounts, count_flags, flags_on, generated_sounds
from audio_cls.serving.flags import UNLIKE, UNSURE
from audio_cls.serving.load import load_classifier

DOCUMENT = Path(__file__).with_suffix(".md")
FIGURES = Path(__file__).with_suffix(".json")
SECONDS = 5.0  # of a generated sound, as long as a clip
ALL = "all"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", metavar="CLIPS", nargs="?")
    parser.add_argument("work", metavar="WORK", type=Path, nargs="?")
    parser.add_argument("keys", metavar="KEY=VALUE", nargs="*", default=["experiment=quick"])
    parser.add_argument("--table", action="store_true", help="write the table from the figures alone")
    options = parser.parse_args()
    if not options.table:
        if options.work is None:
            parser.error("give CLIPS and WORK")
        clip_set = load_clips(DataConfig(kind="esc10", name=None, root=options.clips))
        train(clip_set, options.work, options.keys)
        write_json(FIGURES, measure(clip_set, options.work, options.keys))
    write_table(json.loads(FIGURES.read_text(encoding="utf-8")))


def train(clip_set: ClipSet, work: Path, keys: list[str]) -> None:
    """With all classes, and without each."""
    num_folds = len({clip.fold for clip in clip_set.clips})
    for label in (None, *range(len(clip_set.classes))):
        manifest = work / f"{study_of(label)}.csv"
        write_manifest(clip_set, label, manifest)
        command = ["train", "data=folder", f"data.root={manifest.absolute()}", f"data.num_folds={num_folds}"]
        command += ["protocol=crossval", f"study={study_of(label)}", f"output_dir={work.absolute()}", "logger=none"]
        subprocess.run([sys.executable, "-m", "audio_cls.cli.main", *command, *keys, "-m"], check=True)


def study_of(label: int | None) -> str:
    return ALL if label is None else f"without-{label}"


def write_manifest(clip_set: ClipSet, without: int | None, path: Path) -> None:
    """The data set without one class, or all of it, in its published folds, counted from 1 on without gaps."""
    folds = {fold: number for number, fold in enumerate(sorted({clip.fold or 0 for clip in clip_set.clips}), 1)}
    rows = [
        [clip.path.absolute().as_posix(), clip_set.classes[clip.label], clip.source or "", folds[clip.fold or 0]]
        for clip in clip_set.clips
        if clip.label != without
    ]
    write_csv(path, ["file", "label", "source", "fold"], rows)


def measure(clip_set: ClipSet, work: Path, keys: list[str]) -> dict[str, Any]:
    jobs = dict(jobs_of(work / ALL))
    store = open_store(clip_set, next(iter(jobs.values())).sample_rate)
    predicted = {fold: predictions_of(job.folder, fold) for fold, job in jobs.items()}
    groups: dict[str, list[tuple[str, ...]]] = {"right": [], "wrong": []}
    for fold, job in jobs.items():
        classifier, mine = with_profile(job, clip_set, store), predicted[fold]
        unsure = unsure_clips(mine, [other for other in predicted.values() if other.fold != fold])
        sounds = (store.waveform(index) for index in indices(clip_set, mine.clips))
        heard = flags_on(replace(classifier, unsure_below=0.0), sounds)
        for right, doubted, flags in zip(mine.correct, unsure, heard, strict=True):
            groups["right" if right else "wrong"].append((*flags, *([UNSURE] if doubted else [])))
        for name, waveforms in (
            generated_sounds(store.sample_rate, round(SECONDS * store.sample_rate)) | others(store)
        ).items():
            groups.setdefault(name, []).extend(flags_on(classifier, waveforms))
    left_out: dict[str, list[tuple[str, ...]]] = {}
    left_out_folds: set[int] = set()
    for label, name in enumerate(clip_set.classes):
        sounds = [store.waveform(index) for index, clip in enumerate(clip_set.clips) if clip.label == label]
        for fold, job in jobs_of(work / study_of(label)):
            left_out_folds.add(fold)
            left_out.setdefault(name, []).extend(flags_on(with_profile(job, clip_set, store), sounds))
    return {
        "commit": code_commit(),
        "keys": keys,
        "data": clip_set.name,
        "folds": sorted(jobs),
        "left out folds": sorted(left_out_folds),
        "seed": 0,
        "thresholds": [round(job.unsure_below, 4) for job in jobs.values()],
        "known": {name: asdict(count_flags(groups.pop(name))) for name in ("right", "wrong")},
        "left out": {name: asdict(count_flags(flags)) for name, flags in left_out.items()},
        "generated": {name: asdict(count_flags(flags)) for name, flags in groups.items()},
    }


def jobs_of(study: Path) -> Iterator[tuple[int, LoadedClassifier]]:
    """Fold and classifier of each job that is done."""
    for path in sorted(study.glob("*/fold*-seed0/metrics.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["status"] == "done":
            yield values["fold"], load_classifier(path.parent)


def with_profile(classifier: LoadedClassifier, clip_set: ClipSet, store: WaveformStore) -> LoadedClassifier:
    """With the profile of its training clips as this version finds it."""
    _, rows = read_csv(classifier.folder / "split.csv")
    train = indices(clip_set, tuple(row["clip"] for row in rows if row["split"] == "train"))
    return replace(classifier, profile=training_profile(clip_set, store, train, classifier.crop_samples))


def indices(clip_set: ClipSet, names: tuple[str, ...]) -> np.ndarray:
    """Of clips by the names of their files, which are unique in ESC."""
    places = {Path(clip.name).name: index for index, clip in enumerate(clip_set.clips)}
    return np.array([places[Path(name).name] for name in names])


def predictions_of(folder: Path, fold: int) -> Predictions:
    _, rows = read_csv(folder / "predictions.csv")
    rows = [row for row in rows if row["split"] == "test"]
    names = tuple(row["clip"] for row in rows)
    probabilities = np.array([[float(value) for key, value in row.items() if key.startswith("p_")] for row in rows])
    labels, predicted = (np.array([int(row[key]) for row in rows]) for key in ("label", "predicted"))
    return Predictions(fold, 0, "", names, names, labels, predicted, probabilities)


def others(store: WaveformStore) -> dict[str, list[np.ndarray]]:
    """25 each: noise that falls by 3 and 6 dB an octave, square waves, and single clicks in silence."""
    rate, rng = store.sample_rate, np.random.default_rng(1)
    num_samples = round(SECONDS * rate)
    times = np.arange(num_samples) / rate

    def falling(power: float) -> np.ndarray:
        spectrum = np.fft.rfft(rng.standard_normal(num_samples))
        sound = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20 * SECONDS) ** power, num_samples)
        return 0.1 * sound / sound.std()

    def click() -> np.ndarray:
        sound = np.zeros(num_samples)
        sound[rng.integers(num_samples)] = 0.5
        return sound

    found = {
        "pink noise": [falling(0.5) for _ in range(25)],
        "brown noise": [falling(1.0) for _ in range(25)],
        "square waves": [0.2 * np.sign(np.sin(2 * np.pi * hertz * times)) for hertz in np.geomspace(50, 4_000, 25)],
        "single clicks": [click() for _ in range(25)],
    }
    return {name: [sound.astype(np.float32) for sound in sounds] for name, sounds in found.items()}


def write_table(figures: dict[str, Any]) -> None:
    """Between the markers of the document."""
    counts = {f"held-out clips, answered {name}": values for name, values in figures["known"].items()}
    left_out = figures["left out"]
    counts["clips of a class that was left out"] = total(left_out)
    counts |= {f"- {name}": values for name, values in left_out.items()}
    counts |= figures["generated"]
    lines = ["| sounds | answers | `unsure` | `unlike training data` | any flag |", "|---|---:|---:|---:|---:|"]
    for name, values in counts.items():
        shares = [values["by_flag"][UNSURE], values["by_flag"][UNLIKE], values["flagged"]]
        cells = [f"{count / max(1, values['sounds']):.1%}" for count in shares]
        lines.append(f"| {name} | {values['sounds']:,} | {' | '.join(cells)} |")
    folds, left_out_folds = (", ".join(map(str, figures[name])) for name in ("folds", "left out folds"))
    lines += [
        "",
        f"`{' '.join(figures['keys'])}` on {figures['data']}, folds {folds} (without a class: {left_out_folds}),",
        f"seed 0, commit {figures['commit']}.",
    ]
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", flags=re.DOTALL)
    body = "\n".join(lines)
    write_text(DOCUMENT, pattern.sub(lambda found: f"{found[1]}\n{body}\n\n{found[2]}", text))


def total(counts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    values = [FlagCounts(**each) for each in counts.values()]
    flags = {name: sum(each.by_flag[name] for each in values) for name in values[0].by_flag}
    return asdict(FlagCounts(sum(each.sounds for each in values), sum(each.flagged for each in values), flags))


if __name__ == "__main__":
    main()
