"""Copies of a sound are found, other sounds are not."""

import io

import numpy as np
import pytest
import soundfile

from audio_cls.data import fingerprint as fingerprints
from audio_cls.data.decode import resample
from audio_cls.data.fingerprint import find_matches, fingerprint
from audio_cls.data.synthetic import SAMPLE_RATE, synthesize, synthetic_clips


def encoded(waveform, audio_format, subtype):
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, SAMPLE_RATE, format=audio_format, subtype=subtype)
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")


@pytest.fixture(scope="module")
def originals():
    """One clip of each kind of sound but the bell, of which too little sounds."""
    clips = synthetic_clips(clips_per_class=20).clips[::20]
    return [synthesize(clip) for clip in clips if not clip.name.startswith("Church bell")]


@pytest.fixture(scope="module")
def known(originals):
    return [fingerprint(waveform, SAMPLE_RATE) for waveform in originals]


COPIES = {
    "ogg": lambda waveform: encoded(waveform, "OGG", "VORBIS"),
    "mp3": lambda waveform: encoded(waveform, "MP3", "MPEG_LAYER_III"),
    "softer": lambda waveform: (0.03 * waveform, SAMPLE_RATE),
    "upside down": lambda waveform: (-waveform, SAMPLE_RATE),
    "at 16 kHz": lambda waveform: (resample(waveform, SAMPLE_RATE, 16_000), 16_000),
    "shifted": lambda waveform: (waveform[30_123:], SAMPLE_RATE),
    "cut, softer and ogg": lambda waveform: encoded(0.3 * waveform[20_077:200_000], "OGG", "VORBIS"),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_matches_its_original_and_nothing_else(originals, known, change):
    for index in (2, 7):
        copy = fingerprint(*COPIES[change](originals[index]))
        matches = find_matches([*known, copy])
        assert [(match.first, match.second) for match in matches] == [(index, len(known))]


def test_different_sounds_do_not_match(known):
    assert all(each is not None for each in known)
    assert find_matches(known) == []


def test_a_match_says_how_far_the_copy_is_shifted(originals):
    late = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), originals[2]])
    pair = [fingerprint(late, SAMPLE_RATE), fingerprint(originals[2], SAMPLE_RATE)]
    assert find_matches(pair)[0].offset_seconds == pytest.approx(1, abs=0.05)
    assert find_matches(pair[::-1])[0].offset_seconds == pytest.approx(-1, abs=0.05)


def test_cuts_of_one_recording_that_overlap_match(originals):
    sound = np.concatenate(originals[2:4])
    cuts = [sound[: 4 * SAMPLE_RATE], sound[2 * SAMPLE_RATE : 7 * SAMPLE_RATE]]
    (match,) = find_matches([fingerprint(cut, SAMPLE_RATE) for cut in cuts])
    assert match.overlap_seconds == pytest.approx(2, abs=0.4)


def test_silence_and_very_short_sounds_have_no_fingerprint():
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    assert fingerprint(np.zeros(5 * SAMPLE_RATE, np.float32), SAMPLE_RATE) is None
    assert fingerprint(noise[:100], SAMPLE_RATE) is None
    assert fingerprint(noise[: SAMPLE_RATE // 2], SAMPLE_RATE) is None
    assert find_matches([None, fingerprint(np.tile(noise, 3), SAMPLE_RATE), None]) == []


def test_among_many_clips_each_is_compared_with_its_neighbours(known, originals, monkeypatch):
    assert fingerprints.num_neighbours(300) == 299
    assert fingerprints.num_neighbours(4_000) == 250
    assert fingerprints.num_neighbours(10**6) == 20
    monkeypatch.setattr(fingerprints, "num_neighbours", lambda count: 2)
    copy = fingerprint(*encoded(originals[2], "OGG", "VORBIS"))
    assert [(match.first, match.second) for match in find_matches([*known, copy])] == [(2, len(known))]
