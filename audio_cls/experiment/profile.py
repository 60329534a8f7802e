"""The profile of a job's training clips, from the waveforms that it was trained on."""

from dataclasses import replace

import numpy as np

from audio_cls.data.clips import ClipSet
from audio_cls.data.crops import audible_crops, evaluation_crops
from audio_cls.data.profile import TrainingProfile, find_spectra
from audio_cls.data.waveform_store import WaveformStore
from audio_cls.models.crop_features import crop_features, long_enough
from audio_cls.serving.flags import why_unlike

MAX_CROPS = 1_500  # in a profile: some 80 kB
CROPS_PER_CLIP = 4  # evenly spaced
MAX_HELD_OUT = 500  # clips


def training_profile(clip_set: ClipSet, store: WaveformStore, train: np.ndarray, crop_samples: int) -> TrainingProfile:
    """Of the clips `train`, by index; of many, some that are drawn at random, always the same."""
    seconds = store.lengths[train] / store.sample_rate
    heard = train
    if len(train) > MAX_CROPS:
        heard = np.sort(np.random.default_rng(0).choice(train, MAX_CROPS, replace=False))
    crops_per_clip = min(CROPS_PER_CLIP, MAX_CROPS // len(heard))
    levels, features, clips = [], [], []
    for clip in heard:
        crops, level = audible_crops(evaluation_crops(store.waveform(clip), crop_samples, crops_per_clip))
        if level is None:
            continue
        levels.append(level)
        if long_enough(crop_samples, store.sample_rate):
            features.append(crop_features(crops, store.sample_rate))
            clips += [clip] * len(crops)
    spectra = find_spectra(np.concatenate(features), np.array(clips), _sources(clip_set)[clips]) if features else None
    softest, loudest = (min(levels), max(levels)) if levels else (None, None)
    return TrainingProfile(float(seconds.min()), float(seconds.max()), softest, loudest, spectra)


def compare_held_out(
    profile: TrainingProfile, store: WaveformStore, held_out: np.ndarray, crop_samples: int, eval_crops: int
) -> TrainingProfile:
    """The profile with how many of the clips `held_out`, by index, are unlike the training clips; of many, of some."""
    if len(held_out) > MAX_HELD_OUT:
        held_out = np.random.default_rng(0).choice(held_out, MAX_HELD_OUT, replace=False)
    sounds = (store.waveform(clip) for clip in held_out if clip not in store.silent | store.constant)
    reasons = [why_unlike(profile, sound, store.sample_rate, crop_samples, eval_crops) for sound in sounds]
    return replace(profile, held_out=len(reasons), held_out_unlike=sum(map(bool, reasons)))


def _sources(clip_set: ClipSet) -> np.ndarray:
    """A number for each recording, (clips,); a clip of which it is not known has one of its own."""
    names = [clip.source or f"\0{index}" for index, clip in enumerate(clip_set.clips)]
    return np.unique(names, return_inverse=True)[1]
