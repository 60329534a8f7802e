"""The classifier of a job's folder, from plain files: without Lightning, Hydra or the training data."""

import csv
from pathlib import Path
from typing import Any

import torch

from audio_cls.data.profile import PROFILE, TrainingProfile, read_profile
from audio_cls.files import read_csv
from audio_cls.models.build import build_network
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.serving.classifier import LoadedClassifier, LoadError
from audio_cls.serving.confidence import job_threshold

DIGITS = 16  # of a clip's digest, which tell clips apart


def load_job(folder: Path) -> LoadedClassifier:
    """The classifier whose scores stand in the metrics.json of the job's folder, on the CPU.

    Only numbers, text and weights are read from the checkpoint; no code in it is run.
    Raises LoadError where there is none or it cannot be read.
    """
    config = _read_config(folder / "config.yaml")
    path = folder / "checkpoints" / f"{config['trainer']['weights']}.ckpt"
    if not path.exists():
        raise LoadError(
            f"{path} does not exist: kept results and jobs that did not finish an epoch have no checkpoint; train the"
            " job (again), or give its folder under the output folder"
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        parameters = checkpoint["hyper_parameters"]
        network = build_network(
            parameters["model"],
            num_classes=len(parameters["classes"]),
            sample_rate=parameters["sample_rate"],
            num_samples=parameters["crop_samples"],
        )
        module = ClipClassifier(network, parameters["normalize"], parameters["silence_db"])
        prefix = "clip_classifier."
        weights = {key: value for key, value in checkpoint["state_dict"].items() if key.startswith(prefix)}
        module.load_state_dict({key.removeprefix(prefix): value for key, value in weights.items()})
    except KeyError as error:
        raise LoadError(f"{path} lacks {error}: another version of audio_cls wrote it; train the job again") from None
    except Exception as error:  # also what the class of somebody else raises
        reason = f"{error}".strip().partition("\n")[0] or type(error).__name__
        raise LoadError(f"{path} cannot be loaded ({reason}); train the job again") from None
    return LoadedClassifier(
        module=module.eval(),
        classes=tuple(parameters["classes"]),
        sample_rate=config["input"]["sample_rate"],
        crop_samples=parameters["crop_samples"],
        eval_crops=config["input"]["eval_crops"],
        folder=folder,
        config=config,
        unsure_below=job_threshold(folder / "predictions.csv"),
        profile=_profile(folder / PROFILE),
        trained_on=_training_clips(folder / "split.csv"),
    )


def _read_config(path: Path) -> dict[str, Any]:
    import yaml  # not where exported models alone are used

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        numbers = config["input"]["sample_rate"], config["input"]["eval_crops"], config["fold"] + 1, config["seed"] + 1
        if not all(type(number) is int and number > 0 for number in numbers):
            raise TypeError(numbers)
        _ = config["trainer"]["weights"], config["data"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise LoadError(f"{path} cannot be read; train the job again") from None
    return config


def _profile(path: Path) -> TrainingProfile | None:
    try:
        return read_profile(path)
    except (ValueError, OSError) as error:
        raise LoadError(str(error)) from None


def _training_clips(path: Path) -> frozenset[str]:
    """Of the clips that the job was trained on; empty where it does not say so."""
    try:
        _, rows = read_csv(path)
        return frozenset(row["content"][:DIGITS] for row in rows if row["split"] == "train" and row["content"])
    except (OSError, KeyError, TypeError, UnicodeDecodeError, csv.Error):
        return frozenset()
