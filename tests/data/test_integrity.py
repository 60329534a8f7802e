"""Every format and codec that libsndfile writes: whole files are read whole, cut files are refused."""

import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from audio_cls.data.decode import BadAudio, probe, read_audio

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


def wav(path, channels=1, **options):
    """The content of a wav file of a second at 16 kHz, and where the length of its samples stands."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((16_000, channels))
    soundfile.write(path, noise, 16_000, **options)
    content = bytearray(path.read_bytes())
    return content, content.index(b"data") + 4


@pytest.mark.parametrize("codec", ["PCM_16", "PCM_24", "DOUBLE", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"])
@pytest.mark.parametrize("said", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000])
@pytest.mark.parametrize("outer", [True, False])
def test_a_wav_whose_header_was_never_closed_is_read_and_that_is_said(tmp_path, codec, said, outer):
    path = tmp_path / "a.wav"
    content, place = wav(path, subtype=codec)
    whole = read_audio(path).waveform
    content[place : place + 4] = struct.pack("<I", said)
    if outer:
        content[4:8] = struct.pack("<I", said)
    path.write_bytes(content)
    recording = read_audio(path)
    assert np.array_equal(recording.waveform, whole)
    assert recording.notes == ("the header was never closed: the 1.0 s that are there were read",)


@pytest.mark.parametrize("codec", ["PCM_16", "PCM_24", "FLOAT", "ALAW", "IMA_ADPCM"])
def test_samples_beyond_what_a_wav_header_says_are_read(tmp_path, codec):
    path = tmp_path / "a.wav"
    content, place = wav(path, channels=2, subtype=codec)
    whole, (said,) = read_audio(path).waveform, struct.unpack_from("<I", content, place)
    struct.pack_into("<I", content, place, said // 4)
    path.write_bytes(content)
    recording = read_audio(path)
    assert np.array_equal(recording.waveform, whole)
    assert recording.notes == (f"the header says less than is there: {said // 4} bytes of samples, {said} were read",)


@pytest.mark.parametrize("said", [0, 8_000, 2**64 - 1])
@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_the_same_holds_for_files_of_more_than_4_gib(tmp_path, magic, said):
    path = tmp_path / "a.rf64"
    content, _ = wav(path, format="RF64")
    content[:4] = magic
    path.write_bytes(content)
    whole = read_audio(path)
    struct.pack_into("<Q", content, content.index(b"ds64") + 16, said)
    path.write_bytes(content)
    assert np.array_equal(read_audio(path).waveform, whole.waveform)
    assert read_audio(path).notes and not whole.notes


@pytest.mark.parametrize(("name", "place"), [("AIFF", b"SSND"), ("AU", b".snd\0\0\0\x18")])
@pytest.mark.parametrize("said", [0, 8_000])
def test_the_same_holds_for_aiff_and_au(tmp_path, name, place, said):
    path = tmp_path / "a"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(16_000), 16_000, "PCM_16", format=name)
    content, whole = bytearray(path.read_bytes()), read_audio(path).waveform
    struct.pack_into(">I", content, content.index(place) + len(place), said)
    path.write_bytes(content)
    assert np.array_equal(read_audio(path).waveform, whole)
    assert len(read_audio(path).notes) == 1


TAILS = {
    "a list": (b"LIST\x04\0\0\0INFO", ()),
    "two chunks, the first odd": (b"note\x03\0\0\0abc\0junk\x02\0\0\0ab", ()),
    "an odd chunk without padding": (b"note\x03\0\0\0abcjunk\x02\0\0\0ab", ()),
    "an ID3v1 tag": (b"TAG" + bytes(125), ()),
    "a few bytes": (b"\1\2\3\4\5\6\7\x08\x09\x0a", ("bytes behind the samples were left out: 10",)),
    "zeros": (bytes(4096), ("bytes behind the samples were left out: 4096",)),
}


@pytest.mark.parametrize("tail", TAILS)
def test_what_follows_the_samples_of_a_wav_is_no_sample(tmp_path, tail):
    content, _ = wav(tmp_path / "a.wav")
    whole = read_audio(tmp_path / "a.wav").waveform
    (tmp_path / "a.wav").write_bytes(bytes(content) + TAILS[tail][0])
    recording = read_audio(tmp_path / "a.wav")
    assert np.array_equal(recording.waveform, whole)
    assert recording.notes == TAILS[tail][1]


@pytest.mark.parametrize("more", [1, 3, 36, 44])
def test_a_wav_header_that_is_off_by_a_few_bytes_loses_nothing(tmp_path, more):
    content, place = wav(tmp_path / "a.wav", channels=2)
    struct.pack_into("<I", content, place, 64_000 + more)
    (tmp_path / "a.wav").write_bytes(content)
    recording = read_audio(tmp_path / "a.wav")
    assert recording.frames == 16_000
    assert recording.notes == (f"the header is off by a few bytes: it says {more} more than are there",)


def test_a_flac_that_was_written_to_a_pipe_is_read_whole(tmp_path):
    soundfile.write(tmp_path / "a.flac", 0.1 * np.random.default_rng(0).standard_normal(700_000), 16_000)
    content, whole = bytearray((tmp_path / "a.flac").read_bytes()), read_audio(tmp_path / "a.flac").waveform
    content[21] &= 0xF0  # the number of samples has 36 bits here
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    assert probe(tmp_path / "a.flac").frames is None
    assert np.array_equal(read_audio(tmp_path / "a.flac").waveform, whole)
    (tmp_path / "a.flac").write_bytes(content[: len(content) // 2])
    assert said_of(tmp_path / "a.flac").startswith("unreadable or truncated")


def test_a_flac_of_which_nothing_but_the_header_is_left_says_how_much_is_missing(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.full(1000, 0.25), 16_000)
    (tmp_path / "a.flac").write_bytes((tmp_path / "a.flac").read_bytes()[:42])
    assert said_of(tmp_path / "a.flac") == "unreadable or truncated: the header says 1000 frames, 0 could be read"


def test_bytes_behind_the_last_chunk_of_a_caf_are_no_chunk(tmp_path):
    soundfile.write(tmp_path / "a.caf", np.full(1000, 0.25), 16_000)
    content = (tmp_path / "a.caf").read_bytes()
    (tmp_path / "a.caf").write_bytes(content + b"\0\1\2\3" + b"\x7f" * 40)
    assert read_audio(tmp_path / "a.caf").frames == 1000


def test_an_flac_behind_a_tag_of_mp3_files_is_read(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.full(1000, 0.25), 16_000)
    path = tmp_path / "a.flac"
    path.write_bytes(b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + path.read_bytes() + b"TAG" + bytes(125))
    assert read_audio(path).frames == 1000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!DOCTYPE html><html><body>404 not found</body></html>" * 9, "unreadable: a web page, not a sound"),
        (b"file,label\n", "unreadable: text, not a sound: it begins with 'file,label'"),
        (bytes(5000), "unreadable: it begins with zeros, not with a header"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "unreadable: a pointer of Git LFS"),
        (b"PK\3\4" + bytes(range(256)), "unreadable: a zip archive"),
        (bytes(range(255, 1, -1)) * 9, "unreadable: Format not recognised"),
        (b"", "empty: the file has no bytes"),
    ],
)
def test_what_is_no_sound_is_called_what_it_is(tmp_path, content, reason):
    (tmp_path / "a.wav").write_bytes(content)
    assert said_of(tmp_path / "a.wav").startswith(reason)


def damaged_mp3(path) -> bytes:
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(88_200), 44_100)
    content, random = bytearray(path.read_bytes()), np.random.default_rng(1)
    for place in random.integers(2000, len(content), 400):
        content[place] = random.integers(255)
    return bytes(content)


def test_nothing_of_the_decoding_libraries_reaches_the_terminal(tmp_path):
    (tmp_path / "damaged.mp3").write_bytes(damaged_mp3(tmp_path / "damaged.mp3"))
    (tmp_path / "aac.mp3").write_bytes(b"\xff\xf1\x50\x80\x10\x1f\xfc" + bytes(5000))
    (tmp_path / "noise.mp3").write_bytes(np.random.default_rng(0).bytes(20_000))
    (tmp_path / "tag.mp3").write_bytes(b"ID3\x03\0\0\0\0\0\x0a" + np.random.default_rng(0).bytes(20_000))
    code = (
        "import pathlib, sys\n"
        "from audio_cls.data.decode import BadAudio, read_audio\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: read_audio(path)\n"
        "    except BadAudio as error: print(path.name, error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert ran.stderr == ""
    said = ran.stdout.splitlines()
    assert [line.split()[0] for line in said] == ["aac.mp3", "damaged.mp3", "noise.mp3", "tag.mp3"]
    assert said[0] == "aac.mp3 not an mp3: AAC without a packet that can be decoded"
    assert "damaged" in said[1] or "truncated" in said[1]
