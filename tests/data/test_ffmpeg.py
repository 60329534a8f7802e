"""Sound that needs the optional decoder, made by the same library."""

import sys

import av
import numpy as np
import pytest
import soundfile

from audio_cls.data.decode import BadAudio, probe, read_audio

RATE = 44_100
CODECS = {  # suffix: codec, samples of a packet
    "m4a": ("aac", 1024),
    "mp4": ("aac", 1024),
    "mov": ("alac", 4096),
    "3gp": ("aac", 1024),
    "aac": ("aac", 1024),
    "mka": ("flac", 4608),
    "webm": ("libopus", 960),
    "wma": ("wmav2", 2048),
    "ac3": ("ac3", 1536),
    "wv": ("wavpack", 22_050),
    "tta": ("tta", 46_080),
    "avi": ("pcm_s16le", 1024),
}
NO_LENGTH = {"ac3", "aac"}  # a cut packet is noticed; what the encoder put in front is not known


def sound(seconds=2.0, rate=RATE):
    """A chirp: no place of it is like another."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (300 + 200 * time) * time)).astype(np.float32)


def encode(path, waveform, codec, rate=RATE, video=False, **options):
    """A file with the waveform on two channels, the second half as loud."""
    with av.open(str(path), "w", options=options) as container:
        film = container.add_stream("mpeg4", rate=10) if video else None
        stream = container.add_stream(codec, rate=rate, layout="stereo", bit_rate=128_000)
        if film is not None:
            film.width = film.height = 64
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            for _ in range(5):
                container.mux(film.encode(picture))
            container.mux(film.encode())
        channels = np.ascontiguousarray(np.stack([waveform, waveform / 2]).astype(np.float32))
        frame = av.AudioFrame.from_ndarray(channels, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(stream.codec_context.format, "stereo", rate, frame_size=stream.frame_size or 1024)
        for ready in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(ready))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", CODECS)
def test_a_file_is_read_at_its_own_rate_and_cut_files_are_refused(tmp_path, suffix):
    codec, packet = CODECS[suffix]
    rate = 48_000 if codec == "libopus" else RATE
    path = encode(tmp_path / f"a.{suffix}", sound(rate=rate), codec, rate)
    recording = read_audio(path)
    assert (recording.sample_rate, recording.channels, recording.notes) == (rate, 2, ())
    assert abs(recording.frames - 2 * rate) <= packet * (2 if suffix in NO_LENGTH else 1)
    assert probe(path).sample_rate == rate
    expected = 0.75 * sound(rate=rate)[:80_000]
    if suffix not in NO_LENGTH | {"wma"}:
        assert np.corrcoef(recording.waveform[:80_000], expected)[0, 1] > 0.99
    content = path.read_bytes()
    for kept in (0.6, 0.9):
        path.write_bytes(content[: int(kept * len(content))])
        with pytest.raises(BadAudio, match="truncated|damaged"):
            read_audio(path)


def test_the_padding_of_an_m4a_is_no_part_of_it(tmp_path):
    waveform = sound(1.2345)
    assert read_audio(encode(tmp_path / "a.m4a", waveform, "aac")).frames == pytest.approx(
        len(waveform), abs=RATE // 1000
    )


def test_every_reading_gives_the_same_samples(tmp_path):
    path = encode(tmp_path / "a.m4a", sound(), "aac")
    assert np.array_equal(read_audio(path).waveform, read_audio(path).waveform)


def test_of_a_long_file_the_beginning_is_read(tmp_path):
    path = encode(tmp_path / "a.m4a", sound(), "aac")
    recording = read_audio(path, max_frames=10_000)
    assert np.array_equal(recording.waveform, read_audio(path).waveform[:10_000])
    assert recording.frames == pytest.approx(2 * RATE, abs=1024)


def test_of_a_film_the_sound_is_read(tmp_path):
    for suffix in ("mp4", "mkv", "avi"):
        path = encode(tmp_path / f"film.{suffix}", sound(), "aac", video=True)
        assert read_audio(path).frames == pytest.approx(2 * RATE, abs=2048)
        content = path.read_bytes()
        path.write_bytes(content[: int(0.6 * len(content))])
        with pytest.raises(BadAudio, match="truncated|damaged"):
            read_audio(path)


def test_damaged_packets_are_refused(tmp_path):
    path = encode(tmp_path / "a.m4a", sound(), "aac")
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(0)
    for place in random.integers(len(content) // 4, len(content) // 2, 20):
        content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BadAudio, match="damaged"):
        read_audio(path)


def test_another_format_under_a_common_name_is_read_and_said(tmp_path):
    path = encode(tmp_path / "a.m4a", sound(), "aac").rename(tmp_path / "a.wav")
    assert read_audio(path).notes == ("not a wav but MP4, and read as such",)
    path = encode(tmp_path / "a.aac", sound(), "aac").rename(tmp_path / "a.mp3")
    assert read_audio(path).notes == ("not an mp3 but AAC, and read as such",)


def test_codecs_of_wav_and_ogg_that_libsndfile_lacks_are_read(tmp_path):
    path = encode(tmp_path / "a.wav", sound(), "wmav2")
    assert read_audio(path).frames == pytest.approx(2 * RATE, abs=4096)


@pytest.mark.parametrize(("place", "content"), [(20, b"\x34\x12"), (22, b"\0\0"), (34, b"\0\0")])
def test_a_wav_of_no_known_codec_or_without_channels_is_refused_in_plain_words(tmp_path, place, content):
    soundfile.write(tmp_path / "a.wav", sound(), RATE)
    whole = bytearray((tmp_path / "a.wav").read_bytes())
    whole[place : place + 2] = content
    (tmp_path / "a.wav").write_bytes(whole)
    with pytest.raises(BadAudio, match="^wav without a known codec or channels$"):
        read_audio(tmp_path / "a.wav")


def test_a_file_without_sound_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    with pytest.raises(BadAudio, match="it has no sound track"):
        read_audio(tmp_path / "a.mp4")


def test_without_the_decoder_the_command_that_installs_it_is_said(tmp_path, monkeypatch):
    path = encode(tmp_path / "a.m4a", sound(), "aac")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BadAudio, match=r"^MP4 needs a decoder that is not installed: pip install av$"):
        read_audio(path)
    path.rename(tmp_path / "a.mp3")
    with pytest.raises(BadAudio, match=r"^not an mp3: MP4 needs a decoder that is not installed: pip install av$"):
        read_audio(tmp_path / "a.mp3")


def test_what_libsndfile_reads_does_not_need_the_decoder(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    soundfile.write(tmp_path / "a.wav", sound(), RATE)
    assert read_audio(tmp_path / "a.wav").frames == 2 * RATE
