"""Every format and codec that libsndfile writes: whole files are read whole, cut files are refused."""

import numpy as np
import pytest
import soundfile

from audio_cls.data.decode import BadAudio, read_audio

SAMPLES = 20_000
PADDING = 4096  # samples that codecs append at most
NO_FILES = {"RAW", "SD2"}  # no header; a second file, as on old Macs
NO_LENGTH = {"IRCAM", "PAF", "PVF", "XI"}  # in their headers, so that a cut file is a shorter file
FORMATS = sorted(set(soundfile.available_formats()) - NO_FILES)


def codecs(name: str) -> list[str]:
    return sorted(set(soundfile.available_subtypes(name)))


def content_of(path, name, codec, channels):
    """None for what libsndfile does not write."""
    rate = 48_000 if name in ("MP3", "OGG") else 8_000
    noise = 0.1 * np.random.default_rng(0).standard_normal((SAMPLES, channels))
    try:
        soundfile.write(path, noise, rate, format=name, subtype=codec)
    except (soundfile.LibsndfileError, ValueError):
        return None
    return path.read_bytes()


def said_of(path):
    try:
        read_audio(path)
    except BadAudio as error:
        return str(error)
    return "read"


@pytest.mark.parametrize("name", FORMATS)
def test_whole_files_are_read_whole_and_cut_files_are_refused(tmp_path, name):
    path, written = tmp_path / f"clip.{name.lower()}", 0
    for codec in codecs(name):
        for channels in (1, 2):
            if (content := content_of(path, name, codec, channels)) is None:
                continue
            written += 1
            recording = read_audio(path)
            assert SAMPLES <= recording.frames <= SAMPLES + PADDING, (codec, channels)
            assert (recording.channels, recording.notes) == (channels, ()), codec
            if name in NO_LENGTH:
                continue
            for kept in (0.1, 0.6, 0.95):
                path.write_bytes(content[: int(kept * len(content))])
                assert said_of(path).startswith(("truncated", "damaged", "unreadable or truncated")), (codec, kept)
    assert written


@pytest.mark.parametrize("name", sorted(set(FORMATS) - NO_LENGTH))
def test_a_file_that_lacks_its_last_bytes_is_refused_or_its_loss_is_said(tmp_path, name):
    path = tmp_path / f"clip.{name.lower()}"
    for codec in codecs(name):
        if (content := content_of(path, name, codec, 2) or content_of(path, name, codec, 1)) is None:
            continue
        path.write_bytes(content[:-3])
        if said_of(path) == "read":
            recording = read_audio(path)
            assert recording.notes or recording.frames >= SAMPLES, codec
            assert recording.frames > 0.99 * SAMPLES, codec
        else:
            assert said_of(path).startswith(("truncated", "damaged", "unreadable or truncated")), codec
