"""Keys whose value is `auto`: what they stand for, from the clips or from other keys."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from audio_cls.config.recommend import USUAL

AUTO = "auto"
# Durations that the front end was made for: 512 and 80 samples at 16 kHz.
FFT_SECONDS, HOP_SECONDS = 0.032, 0.005
OF_FRONT_END = ("model.n_fft", "model.hop_length")
# The settings of these are the usual ones; those of other data follow from their clips.
KINDS_AS_USUAL = ("auto", "esc10", "esc50", "synthetic")


def automatic_keys(values: Mapping[str, Any]) -> list[str]:
    """Which of the keys that may be `auto` are, in a composed configuration."""
    return [key for key in (*USUAL, *OF_FRONT_END) if _block(values, key).get(_leaf(key)) == AUTO]


def needs_clips(values: Mapping[str, Any]) -> bool:
    """Whether what `auto` stands for follows from the clips."""
    return values["data"].get("kind") not in KINDS_AS_USUAL


def filled(values: dict[str, Any], settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The configuration with numbers in place of `auto`: those of `settings`, by flat key, else the usual ones."""
    found = automatic_keys(values)
    values = copy.deepcopy(values)
    for key in found:
        if key in USUAL:
            _block(values, key)[_leaf(key)] = {**USUAL, **(settings or {})}[key]
    rate = values["input"]["sample_rate"]
    for key, samples in zip(OF_FRONT_END, front_end_samples(rate), strict=True) if isinstance(rate, int) else ():
        if key in found:
            _block(values, key)[_leaf(key)] = samples
    return values


def explanation(composed: Sequence[Mapping[str, Any]]) -> str:
    """What `auto` stands for in these configurations, a line; empty where it is not in them."""
    usual = {
        key: _block(filled(dict(values)), key)[_leaf(key)] for values in composed for key in automatic_keys(values)
    }
    if not usual:
        return ""
    listed = ", ".join(f"{key}={value}" for key, value in usual.items())
    return f"auto: {listed}; with data=folder what fits the clips, as `audio-cls explore PATH` says"


def front_end_samples(sample_rate: int) -> tuple[int, int]:
    """n_fft, a multiple of 32, and hop_length in samples."""
    return max(1, round(FFT_SECONDS * sample_rate / 32)) * 32, round(HOP_SECONDS * sample_rate)


def _block(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    block = values.get(key.partition(".")[0])
    return block if isinstance(block, dict) else {}


def _leaf(key: str) -> str:
    return key.rpartition(".")[2]
