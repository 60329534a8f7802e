"""The profile of a job's training clips, from the waveforms that it was trained on."""

import numpy as np

from audio_cls.data.clips import ClipSet
from audio_cls.data.crops import audible_crops, evaluation_crops
from audio_cls.data.profile import TrainingProfile, find_spectra
from audio_cls.data.waveform_store import WaveformStore
from audio_cls.models.crop_features import crop_features, long_enough

MAX_CROPS = 1_500  # in a profile: some 80 kB
CROPS_PER_CLIP = 4  # evenly spaced


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


def _sources(clip_set: ClipSet) -> np.ndarray:
    """A number for each recording, (clips,); a clip of which it is not known has one of its own."""
    names = [clip.source or f"\0{index}" for index, clip in enumerate(clip_set.clips)]
    return np.unique(names, return_inverse=True)[1]
