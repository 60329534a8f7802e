"""The script of the spoken words: with a stand-in for espeak-ng, and with espeak-ng itself where it is installed."""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.documents import commands, text_of

from audio_cls.data import spoken_words
from audio_cls.data.sources import read_any_folder
from audio_cls.data.splits import make_split
from audio_cls.data.spoken_words import SAMPLE_RATE, check_voices, make_words
from audio_cls.wording import UserError

# A shell script, as Python would take seconds for all calls. It speaks what lies beside it under the voice's name.
STAND_IN = """#!/bin/sh
[ "$1" = --version ] && echo "eSpeak NG text-to-speech: 1.51  Data at: /usr/share/espeak-ng-data" && exit
for argument; do path=$word word=$argument; done
exec /bin/cp "${0%/*}/${1#-v}.wav" "$path"
"""
VARIANTS = {"en": ("m3", "f4"), "en-us": ("f2",)}
VOICES = ("en+m3", "en+f4", "en-us+f2")
ALL_VARIANTS, ALL_VOICES, ESPEAK = spoken_words.VARIANTS, spoken_words.VOICES, shutil.which("espeak-ng")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The one folder where programs are found. The set has three voices only."""
    folder = tmp_path_factory.mktemp("programs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spoken_words, "VARIANTS", VARIANTS)
        patch.setattr(spoken_words, "VOICES", VOICES)
        patch.setenv("PATH", str(folder))
        yield folder


def install(programs: Path, text: str = STAND_IN, missing: str = "", loudness: float = 0.3) -> None:
    """Writes a stand-in that says a tone in every voice, of the same pitch in a missing one as in its accent."""
    program = programs / "espeak-ng"
    program.write_text(text)
    program.chmod(0o755)
    for number, voice in enumerate((*VARIANTS, *VOICES)):
        hz = 200 + 100 * (number if voice != missing else list(VARIANTS).index(voice.split("+")[0]))
        tone = loudness * np.sin(2 * np.pi * hz * np.arange(7000) / 22050)
        soundfile.write(programs / f"{voice}.wav", tone, 22050)


@pytest.fixture(scope="module")
def words(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set, made as the lab notebook says."""
    install(programs)
    (arguments,) = commands("python -m audio_cls.data.spoken_words", text_of("docs/experiments.md"))
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["spoken_words", *arguments])
        assert spoken_words.main() == 0
    return folder / "words"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_voice_says_every_word_twice_and_no_take_is_another_one(words: Path) -> None:
    clip_set = read_any_folder(words / "words.csv")
    assert len(clip_set.classes) == 10
    assert Counter((clip.label, clip.source) for clip in clip_set.clips) == dict.fromkeys(product(range(10), VOICES), 2)
    assert all(clip.path.name.split("_")[0] == clip.source for clip in clip_set.clips)
    as_folder = read_any_folder(words)
    assert [(clip.name, clip.label) for clip in as_folder.clips] == [(clip.name, clip.label) for clip in clip_set.clips]
    assert len(set(contents(words).values())) == 60 + len(["words.csv", "made_by.txt"])
    assert (words / "made_by.txt").read_text().startswith("eSpeak NG text-to-speech: 1.51\n")


def test_clips_are_mono_at_16_khz_whole_and_of_varied_length_and_level(words: Path) -> None:
    waveforms = []
    for path in sorted(words.glob("*/*.wav")):
        assert soundfile.info(path).subtype == "PCM_16"
        waveform, rate = soundfile.read(path)
        assert rate == SAMPLE_RATE and waveform.ndim == 1
        waveforms.append(waveform)
    seconds = np.array([len(waveform) / SAMPLE_RATE for waveform in waveforms])
    peaks = np.array([np.abs(waveform).max() for waveform in waveforms])
    assert 0.3 < seconds.min() < 0.6 < seconds.max() < 1.5
    assert 0.09 < peaks.min() < 0.3 < peaks.max() < 0.95


def test_the_same_seed_makes_the_same_bytes_and_another_one_others(programs: Path, words: Path, tmp_path: Path) -> None:
    install(programs)
    make_words(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(words)
    make_words(tmp_path / "other", seed=1)
    first, other = contents(words), contents(tmp_path / "other")
    assert first.keys() == other.keys()
    assert [name for name in first if first[name] == other[name]] == ["words.csv"]


def test_voices_can_be_kept_apart(words: Path) -> None:
    clip_set = read_any_folder(words / "words.csv")
    split = make_split(clip_set, "crossval", 0, num_folds=3, split_seed=0)
    train, test = ({clip_set.clips[index].source for index in part} for part in (split.train, split.test))
    assert len(train) == 2 and len(test) == 1 and not train & test


def test_a_folder_with_files_is_left_as_it_is(words: Path) -> None:
    before = contents(words)
    with pytest.raises(UserError, match="exists: name a new folder"):
        make_words(words, seed=1)
    assert contents(words) == before


def test_a_voice_that_espeak_does_not_have_is_refused_and_nothing_is_left(programs: Path, tmp_path: Path) -> None:
    install(programs, missing="en-us+f2")
    with pytest.raises(UserError, match=r"no voice en-us\+f2: it sounds as en-us does"):
        make_words(tmp_path / "words")
    assert list(tmp_path.iterdir()) == []


def test_silence_is_no_word(programs: Path) -> None:
    install(programs, loudness=0.0)
    with pytest.raises(UserError, match="espeak-ng wrote silence for 'bag' with the voice en"):
        check_voices()


def test_what_espeak_complains_of_is_told(programs: Path) -> None:
    install(programs, "#!/bin/sh\necho no such language >&2; exit 1\n")
    with pytest.raises(UserError, match=r"espeak-ng .* failed: no such language"):
        check_voices()


def test_without_espeak_one_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["spoken_words", str(tmp_path / "words")])
    assert spoken_words.main() == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "apt install espeak-ng" in error and "brew install espeak-ng" in error


@pytest.mark.skipif(ESPEAK is None, reason="espeak-ng is not installed")
def test_no_two_voices_of_espeak_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(str(ESPEAK)).parent))
    monkeypatch.setattr(spoken_words, "VARIANTS", ALL_VARIANTS)
    monkeypatch.setattr(spoken_words, "VOICES", ALL_VOICES)
    assert len(ALL_VOICES) >= 20
    check_voices()
