"""The sounds of a study's clips, where they are on this machine, and the attention of its transformers to them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from audio_cls.config.dataset import load_clips
from audio_cls.config.schema import ConfigError, DataConfig
from audio_cls.data.clips import Clip, ClipSet, DataError
from audio_cls.data.decode import decode, probe, resample
from audio_cls.data.synthetic import SAMPLE_RATE, synthesize
from audio_cls.results import job_files
from audio_cls.results.job_folder import StudyJob
from audio_cls.results.study import Study

MAX_HEADS = 8  # with a row each
_CHECKPOINTS = job_files.LAST_CHECKPOINT, job_files.BEST_CHECKPOINT


@dataclass(frozen=True)
class Sounds:
    """The clips that were found, by name; `missing` says why the others cannot be played, '' where all are there."""

    clips: Mapping[str, Clip]
    root: Path | None
    missing: str

    def waveform(self, name: str) -> tuple[np.ndarray, int]:
        """The clip at its own rate. Raises KeyError for a clip that was not found, BadAudio for a file that is bad."""
        clip = self.clips[name]
        if self.root is None:
            return synthesize(clip), SAMPLE_RATE
        rate = probe(clip.path).sample_rate
        return decode(clip.path, rate), rate


@dataclass(frozen=True)
class AttentionRows:
    """What one job's transformer predicts for a clip, and its attention: rows, each (P,), with names."""

    job: StudyJob
    prediction: str
    rows: list[tuple[str, np.ndarray]]
    edges: np.ndarray


def find_sounds(study: Study, names: Sequence[str], root: str | None) -> Sounds:
    """Looks for the clips in `root`, else where the study's jobs had them, in AUDIO_CLS_DATA and in the user's cache.

    Downloads nothing. Raises ConfigError where `root` is given and does not hold the study's data.
    """
    data = _data_block(study)
    if data is None:
        return Sounds({}, None, "The jobs keep no readable config.yaml that says where the clips are.")
    places = _places(data) if root is None else [root]
    for place in places:
        try:
            clip_set = load_clips(DataConfig(**{**data, "root": place}))
        except (ConfigError, DataError) as error:
            if root is not None:
                raise ConfigError(str(error)) from None
            continue
        if clips := _known(clip_set, study, names):
            absent = sum(name not in clips for name in names)
            missing = f"{absent} of these clips are not in {place}." if absent else ""
            return Sounds(clips, clip_set.root, missing)  # no root: to be synthesised
    if root is not None and names:
        raise ConfigError(f"--root {root} holds none of the clips of {study.name}; give the folder of its data set")
    searched = f" (not in {', '.join(filter(None, places))})" if any(places) else ""
    missing = f"The sounds are not on this machine{searched}: with --root PATH, or AUDIO_CLS_DATA, they can be played."
    return Sounds({}, None, missing)


class Attention:
    """The attention of the study's transformers; a classifier is loaded once."""

    def __init__(self, study: Study, order: Sequence[str]) -> None:
        """`order`: names of the variants, the best first."""
        places = {name: place for place, name in enumerate(order)}
        able = [
            job for job in study.jobs if job.status == "done" and job.metrics.get("model") == "transformer"
            and any((study.path / job.name / name).exists() for name in _CHECKPOINTS)
        ]  # fmt: skip
        self._study = study
        self._jobs = sorted(able, key=lambda job: (places[job.variant], job.seed, job.fold))
        self._loaded: dict[str, Any] = {}

    @property
    def possible(self) -> bool:
        """Whether there is a transformer with a checkpoint at all."""
        return bool(self._jobs)

    def at(self, clip: str, split: str, waveform: np.ndarray, sample_rate: int) -> AttentionRows | None:
        """In the clip, of the best variant that was not trained on it; None where none can be shown."""
        for job in self._jobs:
            if split not in job.predictions or clip not in job.predictions[split].clips:
                continue
            classifier = self._load(job)
            if classifier is not None:
                return _attention_rows(job, classifier, waveform, sample_rate)
        return None

    def _load(self, job: StudyJob) -> Any:
        if job.name not in self._loaded:
            from audio_cls.models.attention_maps import NoAttention, transformer_of  # torch takes seconds to import
            from audio_cls.serving.load import LoadError, load_classifier

            try:
                classifier = load_classifier(self._study.path / job.name)
                transformer_of(classifier.module.network)
            except (LoadError, NoAttention):
                classifier = None
            self._loaded[job.name] = classifier
        return self._loaded[job.name]


def _attention_rows(job: StudyJob, classifier: Any, waveform: np.ndarray, sample_rate: int) -> AttentionRows:
    from audio_cls.serving.attention import explain_clip

    found = explain_clip(classifier, resample(waveform, sample_rate, classifier.sample_rate))
    heads = found.heads[-1][:MAX_HEADS]
    rows = [("all layers", found.rollout), *((f"head {place}", row) for place, row in enumerate(heads, 1))]
    return AttentionRows(job, found.prediction, rows, found.edges)


def _data_block(study: Study) -> dict[str, Any] | None:
    """Which data set the jobs were trained on, checked; None where none of them says."""
    for job in study.jobs:
        try:
            stored = yaml.safe_load((study.path / job.name / job_files.CONFIG).read_text(encoding="utf-8"))
            return DataConfig(**stored["data"]).model_dump()
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
            continue
    return None


def _places(data: Mapping[str, Any]) -> list[str | None]:
    if data["kind"] == "synthetic":
        return [None]
    places = [data["root"], os.environ.get("AUDIO_CLS_DATA")]
    if data["kind"] == "esc10":
        from audio_cls.data.download import default_esc10_root

        places.append(str(default_esc10_root()))
    return [place for place in dict.fromkeys(places) if place and Path(place).exists()]


def _known(clip_set: ClipSet, study: Study, names: Sequence[str]) -> dict[str, Clip]:
    """Those of the clips that the study knows by this name: a file of the same name in another data set is another."""
    if clip_set.classes != study.classes:
        return {}
    wanted = set(names)
    return {
        clip.name: clip
        for clip in clip_set.clips
        if clip.name in wanted and (clip_set.root is None or clip.path.is_file())
    }
