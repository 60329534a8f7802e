"""When a classifier does not know: sounds that it should not be believed on.

Axis letters: K classes.
"""

from typing import Protocol

import numpy as np

from audio_cls.data.content import SILENCE
from audio_cls.data.crops import audible_crops, evaluation_crops
from audio_cls.data.profile import TrainingProfile
from audio_cls.models.crop_features import crop_features

SILENT, UNLIKE, UNSURE = "silent", "unlike training data", "unsure"
FLAGS = (SILENT, UNLIKE, UNSURE)
EDGE_SECONDS = 0.01  # at either end, where resampling rings
LEVEL_MARGIN_DB = 10.0
RIPPLE = 2e-3  # of a constant value, which resampling leaves


class Judged(Protocol):
    """What flags need to know of a `LoadedClassifier`."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def crop_samples(self) -> int: ...
    @property
    def eval_crops(self) -> int: ...
    @property
    def unsure_below(self) -> float: ...
    @property
    def profile(self) -> TrainingProfile | None: ...


def flags_of(
    classifier: Judged, waveform: np.ndarray, probabilities: np.ndarray
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Flags of a clip or of one window of a recording, and a sentence for each that says why.

    Waveform (samples,) float32 at the classifier's rate; probabilities (K,) as they are shown. What is silent has no
    other flag.
    """
    reason = _silence(waveform, classifier.sample_rate)
    if reason:
        return (SILENT,), (reason,)
    fed = classifier.sample_rate, classifier.crop_samples, classifier.eval_crops
    unlike = "" if classifier.profile is None else why_unlike(classifier.profile, waveform, *fed)
    found = {UNLIKE: unlike, UNSURE: _doubt(classifier, probabilities)}
    raised = {flag: reason for flag, reason in found.items() if reason}
    return tuple(raised), tuple(raised.values())


def _silence(waveform: np.ndarray, sample_rate: int) -> str:
    """Why there is no sound, empty where there is some."""
    if not len(waveform) or np.abs(waveform).max() < SILENCE:
        return "silent: nothing but digital silence"
    edge = min(int(EDGE_SECONDS * sample_rate), len(waveform) // 4)
    inner = waveform[edge : len(waveform) - edge]
    low, high = float(inner.min()), float(inner.max())
    if high - low < max(SILENCE, RIPPLE * abs(high)) and min(abs(low), abs(high)) >= SILENCE:
        return "silent: one constant value, no sound"
    return ""


def why_unlike(
    profile: TrainingProfile, waveform: np.ndarray, sample_rate: int, crop_samples: int, eval_crops: int
) -> str:
    """In what a sound (samples,) is unlike the training clips, empty where it is in nothing that is looked at."""
    seconds, crop_seconds = (samples / sample_rate for samples in (len(waveform), crop_samples))
    if seconds < min(crop_seconds, profile.shortest_seconds) / 2:
        heard = f"the model hears {crop_seconds:.3g} s at once"
        if profile.shortest_seconds < crop_seconds:
            heard = f"the shortest training clip has {profile.shortest_seconds:.3g} s"
        return f"unlike training data: too short with {seconds:.3g} s; {heard}"
    num_crops = eval_crops if len(waveform) > crop_samples else 1
    crops, level = audible_crops(evaluation_crops(waveform, crop_samples, num_crops))
    softest, loudest = profile.softest_db, profile.loudest_db
    if level is None or softest is None or loudest is None:
        return ""
    if not softest - LEVEL_MARGIN_DB <= level <= loudest + LEVEL_MARGIN_DB:
        return f"unlike training data: a level of {level:.0f} dB; training clips have {softest:.0f} to {loudest:.0f} dB"
    return _strange_spectrum(profile, crops, sample_rate, whole=num_crops > 1)


def _strange_spectrum(profile: TrainingProfile, crops: np.ndarray, sample_rate: int, whole: bool) -> str:
    """Of the crops (C, T) of a `whole` clip, or of a sound that is one crop."""
    if profile.spectra is None:
        return ""
    limit = profile.spectra.limit if whole else profile.spectra.crop_limit
    found = float(np.median(profile.spectra.strangeness(crop_features(crops, sample_rate))))
    if found <= limit:
        return ""
    return (
        f"unlike training data: the spectrum, or how it moves, lies {found / max(limit, 1e-6):.1f} times as far"
        " from the training clips as 98% of such clips do"
    )


def _doubt(classifier: Judged, probabilities: np.ndarray) -> str:
    top = float(np.max(probabilities))
    if top >= classifier.unsure_below:
        return ""
    return (
        f"unsure: the top probability is {top:.0%}; at least {classifier.unsure_below:.0%} is what 95% of right"
        " answers to held-out clips have"
    )
