"""What the page of `audio-cls serve` is told of a sound: the object of `predict --json`, and what is drawn."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from audio_cls.data.decode import decode, resample
from audio_cls.models.attention_maps import NoAttention
from audio_cls.serving.attention import explain_clip
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.events import merge
from audio_cls.serving.flags import FLAGS
from audio_cls.serving.predict import Hearing, one_thread, predict_sounds
from audio_cls.serving.prediction import Prediction, as_json

MOST_SECONDS = 600  # of a sound that is sent to the page
LOW_RATE = 16_000  # Hz
DECIMALS = 4  # of what is drawn


def answer_of(classifier: LoadedClassifier, path: Path, name: str, with_sound: bool = False) -> dict[str, Any]:
    """The answer on a file that is shown as `name`.

    Beyond `predict --json`: `is_recording`; `events`, {start_seconds, end_seconds, label, probability}, null without
    windows; `window_probabilities` of every class in every window; `attention`, along a clip how often more than at an
    even look the CLS token looked at a place, null where there is none; with `with_sound` the mono waveform as `sound`,
    for browsers that cannot decode the file, null where it is too long.
    """
    hearing = Hearing()
    (prediction,) = predict_sounds(classifier, [path], hearing)
    prediction = replace(prediction, file=name)
    answer = as_json(prediction, classifier.classes) | {"is_recording": prediction.is_recording}
    if prediction.is_recording:
        heard = f"a recording: heard in {hearing.described(classifier)}; the classes are means over its windows"
        answer["notes"] = [heard, *_flagged(prediction), *answer["notes"]]
    answer |= {"events": None, "window_probabilities": None, "attention": None, "sound": None}
    if prediction.windows is not None:
        answer |= _over_time(prediction, classifier.classes)
    if prediction.problem is not None:
        return answer
    is_short = prediction.duration_seconds is not None and prediction.duration_seconds <= MOST_SECONDS
    if not prediction.is_recording or (with_sound and is_short):
        waveform = decode(path, classifier.sample_rate)
        answer["attention"] = None if prediction.is_recording else _attention(classifier, waveform)
        if with_sound and is_short:
            answer["sound"] = _sound(waveform, classifier.sample_rate)
    return answer


def _flagged(prediction: Prediction) -> list[str]:
    """'12 of 119 windows are silent', for each flag that some windows have."""
    windows = prediction.windows or ()
    counts = {flag: sum(flag in window.flags for window in windows) for flag in FLAGS}
    return [f"{count} of {len(windows)} windows are {flag}" for flag, count in counts.items() if count]


def _over_time(prediction: Prediction, classes: tuple[str, ...]) -> dict[str, Any]:
    windows = prediction.windows or ()
    events = [
        {
            "start_seconds": round(event.start_seconds, DECIMALS),
            "end_seconds": round(event.end_seconds, DECIMALS),
            "label": classes[event.label],
            "probability": round(event.probability, DECIMALS),
        }
        for event in merge(windows)
    ]
    return {
        "events": events,
        "window_probabilities": [[round(float(value), DECIMALS) for value in each.probabilities] for each in windows],
    }


def _attention(classifier: LoadedClassifier, waveform: np.ndarray) -> list[float | None] | None:
    """The rollout along a clip, 1 for an even look; None where the network has no attention to show."""
    try:
        with one_thread():
            rollout = explain_clip(classifier, waveform).rollout
    except NoAttention:
        return None
    return [None if np.isnan(value) else round(float(value), DECIMALS) for value in rollout]


def _sound(waveform: np.ndarray, rate: int) -> dict[str, Any]:
    """16-bit samples as base64."""
    low_rate = min(rate, LOW_RATE)
    samples = (resample(waveform, rate, low_rate).clip(-1, 1) * 32767).round().astype("<i2")
    return {"sample_rate": low_rate, "samples": base64.b64encode(samples.tobytes()).decode()}
