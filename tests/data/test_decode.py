import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_cls.data.decode import AudioInfo, BadAudio, decode, from_samples, probe, read_audio, resample
from audio_cls.data.mpeg import begins_with_frames

FORMATS = {
    "pcm.wav": {"subtype": "PCM_16"},
    "float.wav": {"subtype": "FLOAT"},
    "adpcm.wav": {"subtype": "IMA_ADPCM"},
    "wide.wav": {"format": "WAVEX"},
    "a.flac": {},
    "a.ogg": {},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.mp3": {},
    "a.aiff": {},
    "a.au": {},
    "a.caf": {},
    "a.w64": {},
    "a.rf64": {},
}


def tone(frequency: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def frequency_of(waveform: np.ndarray, rate: int) -> float:
    """The peak of the spectrum, by a parabola through its logarithm."""
    spectrum = np.log(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) + 1e-12)
    peak = int(spectrum[1:-1].argmax()) + 1
    left, middle, right = spectrum[peak - 1 : peak + 2]
    return (peak + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / len(waveform)


def write(path: Path, samples: np.ndarray, rate: int = 48_000, **options) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def cut(path: Path, num_bytes: int) -> Path:
    path.write_bytes(path.read_bytes()[:num_bytes])
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_a_tone_keeps_its_frequency_and_length_in_every_format(tmp_path, name):
    path = write(tmp_path / name, tone(997, 48_000), **FORMATS[name])
    waveform = decode(path, 16_000)
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    assert abs(len(waveform) - 16_000) <= 2048 / 3  # block codecs pad
    assert frequency_of(waveform, 16_000) == pytest.approx(997, abs=0.5)
    assert np.sqrt(2 * np.mean(waveform[2000:14_000] ** 2)) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize(("rate", "target"), [(4_000, 44_100), (44_099, 44_100), (44_100, 8_000), (383_999, 8_000)])
def test_a_tone_keeps_its_frequency_at_every_rate(tmp_path, rate, target):
    waveform = decode(write(tmp_path / "a.wav", tone(800, rate), rate, subtype="FLOAT"), target)
    assert abs(len(waveform) - target) <= 2
    assert frequency_of(waveform, target) == pytest.approx(800, abs=0.2)


def test_the_same_rate_changes_nothing(tmp_path):
    samples = tone(440, 16_000)
    assert np.array_equal(decode(write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT"), 16_000), samples)


def test_what_lies_above_half_the_target_rate_is_removed():
    assert np.abs(resample(tone(10_000, 44_100), 44_100, 16_000)[1000:-1000]).max() < 0.01


@pytest.mark.parametrize("channels", [1, 2, 64])
def test_channels_are_averaged(tmp_path, channels):
    samples = np.outer(tone(440, 16_000), np.arange(1, channels + 1) / channels).astype(np.float32)
    waveform = decode(write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT"), 16_000)
    np.testing.assert_allclose(waveform, samples.mean(axis=1), atol=1e-6)


def test_levels_are_those_before_the_channels_cancel(tmp_path):
    sound = 2 * tone(440, 16_000)
    recording = read_audio(write(tmp_path / "a.wav", np.stack([sound, -sound], axis=1), 16_000, subtype="FLOAT"))
    assert (recording.sample_rate, recording.channels, recording.frames) == (16_000, 2, 16_000)
    assert np.abs(recording.waveform).max() < 1e-6
    assert recording.levels.peak == pytest.approx(1, abs=1e-3)
    assert recording.levels.power == pytest.approx(0.5, abs=1e-3)
    assert 0.01 < recording.levels.clipped < 0.04  # a sine is above 0.999 for 2.8% of the time
    assert from_samples(np.stack([sound, -sound], axis=1), 16_000).levels == recording.levels


def test_of_a_long_file_as_much_is_read_as_was_asked_for(tmp_path):
    sound = tone(440, 16_000, 3)
    path = write(tmp_path / "a.wav", sound, 16_000, subtype="FLOAT")
    recording = read_audio(path, max_frames=20_000)
    assert np.array_equal(recording.waveform, sound[:20_000]) and recording.frames == 48_000
    assert read_audio(path, max_frames=48_000).frames == len(read_audio(path, max_frames=48_001).waveform) == 48_000


@pytest.mark.parametrize("num_samples", [1, 700_001])
def test_any_length_is_accepted(tmp_path, num_samples):
    path = write(tmp_path / "a.flac", np.full(num_samples, 0.25), 44_100)
    assert len(decode(path, 44_100)) == num_samples
    assert len(decode(path, 16_000)) == -(-num_samples * 160 // 441)


def test_probe_tells_the_header(tmp_path):
    assert probe(write(tmp_path / "a.wav", np.zeros((300, 2)), 22_050)) == AudioInfo(300, 22_050, 2)


@pytest.mark.parametrize(("name", "kept"), [*((name, 0.99) for name in FORMATS), ("pcm.wav", 0.2), ("a.mp3", 0.2)])
def test_a_truncated_file_is_recognised_in_every_format(tmp_path, name, kept):
    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * 48_000)
    path = write(tmp_path / name, noise, **FORMATS[name])
    with pytest.raises(BadAudio, match="truncated|unreadable"):
        decode(cut(path, int(kept * path.stat().st_size)), 48_000)


def test_a_truncated_wav_is_recognised_behind_many_other_chunks(tmp_path):
    path = write(tmp_path / "a.wav", tone(440, 48_000))
    content = path.read_bytes()
    chunks = b"".join(struct.pack("<4sI4s", b"junk", 4, b"abcd") for _ in range(400))
    path.write_bytes(content[:36] + chunks + content[36:])
    assert len(decode(path, 48_000)) == 48_000
    with pytest.raises(BadAudio, match="truncated: the header says 96000 bytes of samples, 95000 are there"):
        decode(cut(path, path.stat().st_size - 1000), 48_000)


def test_an_ogg_cut_between_two_pages_is_recognised(tmp_path):
    path = write(tmp_path / "a.ogg", tone(440, 48_000, 5))
    with pytest.raises(BadAudio, match="truncated: the ogg stream has no end-of-stream page"):
        decode(cut(path, path.read_bytes().rfind(b"OggS")), 48_000)


def test_an_ogg_with_a_damaged_page_is_recognised(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * 48_000)
    content = bytearray(write(tmp_path / "a.ogg", noise).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.ogg").write_bytes(content)
    with pytest.raises(BadAudio, match="damaged: .* bytes in the middle"):
        decode(tmp_path / "a.ogg", 48_000)


@pytest.mark.parametrize("name", ["a.wav", "a.ogg", "a.mp3", "a.aiff"])
def test_recordings_one_after_another_in_a_file_are_read_as_one(tmp_path, name):
    path = write(tmp_path / name, tone(440, 48_000))
    once = read_audio(path)
    path.write_bytes(path.read_bytes() + write(tmp_path / f"b{path.suffix}", tone(880, 48_000)).read_bytes())
    twice = read_audio(path)
    assert np.array_equal(twice.waveform[:48_000], once.waveform) and len(twice.waveform) == 96_000
    assert frequency_of(twice.waveform[48_000:], 48_000) == pytest.approx(880, abs=0.5)
    assert twice.notes == ("several recordings one after another were read as one: 2",) and not once.notes


def test_recordings_of_two_rates_in_a_file_are_refused(tmp_path):
    path = write(tmp_path / "a.mp3", tone(440, 48_000))
    path.write_bytes(path.read_bytes() + write(tmp_path / "b.mp3", tone(440, 44_100), 44_100).read_bytes())
    with pytest.raises(BadAudio, match="it holds recordings of 48000 and 44100 Hz one after another: cut them apart"):
        read_audio(path)


def mp3_without_length_header(path: Path, bitrate_mode: str) -> bytes:
    loudness = np.repeat(np.random.default_rng(0).random(50) ** 4, 4410)
    noise = 0.3 * loudness * np.random.default_rng(1).standard_normal(loudness.size)
    write(path, noise, 44_100, bitrate_mode=bitrate_mode, compression_level=0.5)
    content = path.read_bytes()
    return content[content.index(b"\xff\xfb", 4) :]


@pytest.mark.parametrize("bitrate_mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_without_a_length_header_is_read_whole_or_found_cut(tmp_path, bitrate_mode):
    path = tmp_path / "a.mp3"
    content = mp3_without_length_header(path, bitrate_mode)
    path.write_bytes(content)
    assert 220_500 <= len(decode(path, 44_100)) <= 220_500 + 3 * 1152
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadAudio, match="truncated: the last mp3 frame is cut"):
        decode(path, 44_100)


TAGS = {
    "ID3v2": b"ID3\x04\0\0\0\0\0\x0a" + bytes(10),
    "ID3v1": b"TAG" + b"title".ljust(125),
    "APE": b"APETAGEX" + struct.pack("<IIII8x", 2000, 64, 1, 0xA0000000) + b"x" * 32 + b"APETAGEX" + bytes(24),
    "Lyrics3": b"LYRICSBEGIN" + b"la la la" * 9 + b"000083LYRICS200",
    "junk": b"no frame at all" * 20,
    "zeros": bytes(3000),
}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("bitrate_mode", ["CONSTANT", "VARIABLE"])
def test_what_lies_between_the_frames_of_an_mp3_loses_none_of_them(tmp_path, tag, bitrate_mode):
    path = tmp_path / "a.mp3"
    noise = 0.1 * np.random.default_rng(0).standard_normal(88_200)
    content = write(path, noise, 44_100, bitrate_mode=bitrate_mode).read_bytes()
    whole = read_audio(path).waveform
    frame = content.index(content[:2], len(content) // 2)  # about: as junk may also fall within a frame
    frame = next(place for place in range(frame, len(content)) if begins_with_frames(content, place, 4))
    path.write_bytes(TAGS[tag] + content[:frame] + TAGS[tag] + content[frame:] + TAGS[tag])
    recording = read_audio(path)
    assert np.array_equal(recording.waveform, whole)
    assert bool(recording.notes) == (tag == "junk")


def test_an_mp3_with_tags_at_both_ends_is_whole(tmp_path):
    path = write(tmp_path / "a.mp3", tone(440, 44_100), 44_100)
    path.write_bytes(b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + path.read_bytes() + b"TAG" + bytes(125))
    assert len(decode(path, 44_100)) == 44_100


def test_an_mp3_cut_between_two_frames_is_recognised(tmp_path):
    path = write(tmp_path / "a.mp3", tone(440, 44_100, 2), 44_100, bitrate_mode="CONSTANT")
    content = path.read_bytes()
    with pytest.raises(BadAudio, match="truncated: the header says 78 mp3 frames, .* are there in one piece"):
        decode(cut(path, content.index(b"\xff\xfb", len(content) // 2)), 44_100)


def test_a_wav_whose_length_was_never_written_is_whole(tmp_path):
    path = write(tmp_path / "a.wav", tone(440, 16_000), 16_000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"  # as programs that write to a pipe leave it
    path.write_bytes(content)
    assert len(decode(path, 16_000)) == 16_000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_recognised_in_any_channel(tmp_path, value):
    samples = np.zeros((16_000, 3), np.float32)
    samples[8000, 2] = value
    with pytest.raises(BadAudio, match="not finite: 1 samples are NaN or infinite, the first at 0.500 s"):
        decode(write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT"), 16_000)


def test_no_warning_is_printed_about_samples_that_are_not_finite(tmp_path, recwarn):
    path = write(tmp_path / "a.wav", np.ones(100, np.float32), 16_000, subtype="FLOAT")
    path.write_bytes(path.read_bytes()[:-4] + b"\x01\0\x80\x7f")  # a NaN that signals
    with pytest.raises(BadAudio, match="not finite"):
        decode(path, 16_000)
    assert not recwarn.list


@pytest.mark.parametrize("rate", [3_999, 384_001, 2_000_000_000])
def test_absurd_rates_are_recognised(tmp_path, rate):
    path = write(tmp_path / "a.wav", np.zeros(10), 44_100)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate)
    path.write_bytes(content)
    for read in (probe, lambda path: decode(path, 16_000)):
        with pytest.raises(BadAudio, match=f"sample rate {rate} Hz: must be 4000 to 384000 Hz"):
            read(path)


@pytest.mark.parametrize("suffix", ["wav", "ogg", "aiff", "flac"])
def test_empty_files_are_recognised(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}", np.zeros(0), 44_100)
    with pytest.raises(BadAudio, match="empty"):
        decode(path, 16_000)
    with pytest.raises(BadAudio, match="empty: the file has no bytes"):
        decode(cut(path, 0), 16_000)


def test_files_that_are_not_audio_or_not_there_are_unreadable(tmp_path):
    (tmp_path / "a.wav").write_text("not a sound")
    with pytest.raises(BadAudio, match="unreadable: text, not a sound: it begins with 'not a sound'"):
        decode(tmp_path / "a.wav", 16_000)
    with pytest.raises(BadAudio, match="unreadable: No such file"):
        decode(tmp_path / "b.wav", 16_000)
    with pytest.raises(BadAudio, match="unreadable: Is a directory"):
        decode(tmp_path, 16_000)


def test_random_bytes_behind_any_header_end_in_a_reason_or_a_finite_waveform(tmp_path):
    random = np.random.default_rng(0)
    for name, options in FORMATS.items():
        content = write(tmp_path / name, tone(440, 48_000, 0.2), **options).read_bytes()
        for _ in range(10):
            damaged = bytearray(content)
            for position in random.integers(len(content), size=5):
                damaged[position] = random.integers(256)
            (tmp_path / name).write_bytes(damaged)
            try:
                assert np.isfinite(decode(tmp_path / name, 16_000)).all()
            except BadAudio as error:
                reason = str(error)
            else:
                continue
            assert "\n" not in reason and str(tmp_path) not in reason


def test_reading_headers_does_not_import_torch():
    code = "import sys, audio_cls.data.decode; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
