"""What train says of the sound of its clips before it trains, and what it keeps together."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.command_line import CONF, forbid_heavy_imports, write_sounds

from audio_cls.config.job import Job, clips, sound
from audio_cls.data import content, fingerprint
from audio_cls.data import sound as data_sound
from audio_cls.data.decode import Recording
from audio_cls.data.splits import make_split
from audio_cls.experiment import launch, signals, sweep
from audio_cls.experiment import sound as experiment_sound
from audio_cls.experiment.compatibility import listing_digest, split_digest
from audio_cls.experiment.sound import same_sound

RATE = 4_000


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signals, "handle", lambda *_: None)
    monkeypatch.setattr(sweep, "announce", lambda _: None)
    write_sounds(tmp_path / "sounds", {"cat": 8, "dog": 8}, seconds=0.25)


def prepare(*more: str) -> tuple[Job, ...]:
    usual = ("data=folder", "data.root=sounds", "data.num_folds=3", "heads=2", "logger=none", "input.sample_rate=4000")
    given = {line.partition("=")[0] for line in more} | ({"data.num_folds"} if "data=esc10" in more else set())
    kept = [line for line in usual if line.partition("=")[0] not in given]
    return launch.prepare([*kept, *more], CONF).jobs


def said(capsys: pytest.CaptureFixture, *more: str) -> list[str]:
    capsys.readouterr()
    prepare(*more)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    return [line.removeprefix("note: ") for line in lines if "source unknown" not in line]  # that is said without sound


def refused(capsys: pytest.CaptureFixture, *more: str) -> str:
    with pytest.raises(SystemExit) as end:
        prepare(*more)
    assert end.value.code == 1 and not Path("outputs").exists()
    (line,) = capsys.readouterr().err.splitlines()
    return line


def copy(one: str, other: str) -> None:
    shutil.copy(Path("sounds", one), Path("sounds", other))


def parts_of(job: Job) -> dict[str, set[str]]:
    identical, similar = same_sound(job)
    config = job.config
    split = make_split(
        clips(job), config.protocol, config.fold, num_folds=3, split_seed=0, identical=identical, similar=similar
    )
    names = [clip.name for clip in clips(job).clips]
    parts = {"train": split.train, "val": split.val, "test": split.test}
    return {name: {names[index] for index in part} for name, part in parts.items() if part is not None}


def kept_together(job: Job, *group: str) -> bool:
    return all(part & set(group) in (set(), set(group)) for part in parts_of(job).values())


def test_nothing_is_said_of_clips_that_are_as_they_should_be(capsys: pytest.CaptureFixture) -> None:
    assert said(capsys) == []


@pytest.mark.parametrize("protocol", ["holdout", "crossval"])
def test_copies_are_kept_on_one_side_of_every_split_and_it_is_said_once(
    protocol: str, capsys: pytest.CaptureFixture
) -> None:
    copy("cat/0.wav", "cat/3.wav")
    copy("cat/0.wav", "cat/4.wav")
    copy("dog/1.wav", "dog/7.wav")
    assert said(capsys, f"protocol={protocol}", "jobs=1", "-m") == [
        "2 groups of clips with the same sound, each of which stays on one side of every split:"
        " cat/0.wav = cat/3.wav = cat/4.wav, dog/1.wav = dog/7.wav"
    ]
    for job in prepare(f"protocol={protocol}", "jobs=1", "-m"):
        assert kept_together(job, "cat/0.wav", "cat/3.wav", "cat/4.wav") and kept_together(
            job, "dog/1.wav", "dog/7.wav"
        )
        assert split_digest(job) != listing_digest(job)


def test_copies_under_different_sources_join_them(capsys: pytest.CaptureFixture) -> None:
    copy("cat/0.wav", "cat/7.wav")
    rows = [f"sounds/{name}/{index}.wav,{name},{name}{index // 2}" for name in ("cat", "dog") for index in range(8)]
    Path("list.csv").write_text("\n".join(["file,label,source", *rows]))
    settings = ("data.root=list.csv", "protocol=crossval", "jobs=1", "-m")
    assert said(capsys, *settings)[0].startswith("1 group of clips with the same sound")
    for job in prepare(*settings):
        assert kept_together(job, *(f"sounds/cat/{index}.wav" for index in (0, 1, 6, 7)))


def test_the_same_sound_under_two_labels_is_said(capsys: pytest.CaptureFixture) -> None:
    copy("cat/0.wav", "dog/7.wav")
    assert said(capsys)[1] == (
        "the same sound has two labels (cat/0.wav = dog/7.wav, 'cat' and 'dog'): one is wrong, or the classes overlap;"
        " listen, then correct or remove one of each pair"
    )


def test_clips_without_sound_are_said_and_are_no_copies_of_each_other(capsys: pytest.CaptureFixture) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(1_000)
    for index in (0, 1, 2, 3):
        soundfile.write(f"sounds/cat/{index}.wav", np.zeros(1_000), RATE)
    for index in (4, 5):
        soundfile.write(f"sounds/cat/{index}.wav", np.full(1_000, 0.25), RATE)
    soundfile.write("sounds/dog/6.wav", np.stack([noise, -noise], axis=1), RATE, subtype="FLOAT")
    assert said(capsys) == [
        "4 clips with nothing but digital silence: remove them, unless silence is a class"
        " (cat/0.wav, cat/1.wav, cat/2.wav and 1 more)",
        "2 clips with one value all along, which is no sound: remove them (cat/4.wav, cat/5.wav)",
        "1 clip whose channels cancel each other in mono, which models get: keep one channel, or invert one"
        " (dog/6.wav)",
    ]


def folds_of_ones_own(*folds: int) -> tuple[str, ...]:
    rows = [
        f"sounds/{name}/{index}.wav,{name},{folds[index % len(folds)]}" for name in ("cat", "dog") for index in range(8)
    ]
    Path("list.csv").write_text("\n".join(["file,label,fold", *rows]))
    return ("data.root=list.csv",)


@pytest.mark.parametrize("protocol", ["holdout", "crossval"])
def test_copies_in_two_folds_of_ones_own_are_refused_with_both_names(
    protocol: str, capsys: pytest.CaptureFixture
) -> None:
    copy("cat/2.wav", "cat/3.wav")
    line = refused(capsys, *folds_of_ones_own(1, 2, 3, 4), f"protocol={protocol}")
    assert line == (
        "'sounds/cat/2.wav' and 'sounds/cat/3.wav' hold the same sound and are in fold 3 and in fold 4:"
        " put them into one fold or remove one"
    )
    assert said(capsys, *folds_of_ones_own(1, 2, 3, 3), f"protocol={protocol}") == [
        "1 group of clips with the same sound: sounds/cat/2.wav = sounds/cat/3.wav"
    ]


def test_copies_in_published_folds_are_noted_only(capsys: pytest.CaptureFixture) -> None:
    for number in range(1, 11):
        folder = Path("esc", f"{number:03d} - Class {number}")
        folder.mkdir(parents=True)
        for fold in range(1, 6):
            noise = 0.1 * np.random.default_rng(10 * number + fold).standard_normal(1_000)
            soundfile.write(folder / f"{fold}-{fold}{number}-A.ogg", noise, RATE)
    shutil.copy("esc/001 - Class 1/1-11-A.ogg", "esc/001 - Class 1/3-31-A.ogg")
    published = ("data=esc10", "data.root=esc")
    assert [line for line in said(capsys, *published) if "the same" in line] == [
        "1 group of clips with the same sound: 001 - Class 1/1-11-A.ogg = 001 - Class 1/3-31-A.ogg"
    ]


# --- nearly the same sound ---


def recording(seed: int, seconds: float = 2.5) -> np.ndarray:
    """Noise with a spectrum of its own that changes every tenth of a second."""
    random = np.random.default_rng(seed)
    pieces = []
    for _ in range(round(10 * seconds)):
        spectrum = np.fft.rfft(random.standard_normal(800))
        pieces.append(np.fft.irfft(spectrum * np.exp(random.normal(0, 1.5, 40)).repeat(11)[: len(spectrum)], 800))
    waveform = np.concatenate(pieces)
    return 0.3 * waveform / np.abs(waveform).max()


@pytest.fixture
def recordings() -> Path:
    """Six of each class, 2.5 s at 8 kHz, and copies of one of them."""
    shutil.rmtree("sounds")
    for index in range(12):
        path = Path("sounds", ("cat", "dog")[index % 2], f"{index}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, recording(index), 8_000)
    waveform = recording(0)
    soundfile.write("sounds/cat/shifted.wav", waveform[2_000:], 8_000)
    soundfile.write("sounds/cat/softer.flac", 0.1 * waveform, 8_000)
    soundfile.write("sounds/cat/encoded.ogg", waveform, 8_000)
    return Path("sounds")


NEAR = ("input.sample_rate=8000",)
COPIES = ("cat/0.wav", "cat/encoded.ogg", "cat/shifted.wav", "cat/softer.flac")


@pytest.mark.parametrize("protocol", ["holdout", "crossval"])
def test_without_sources_copies_that_were_cut_or_encoded_stay_on_one_side(
    protocol: str, recordings: Path, capsys: pytest.CaptureFixture
) -> None:
    (note,) = said(capsys, *NEAR, f"protocol={protocol}", "jobs=1", "-m")
    assert note.startswith("6 pairs of clips with nearly the same sound, each of which stays on one side")
    assert "cat/0.wav ~ cat/encoded.ogg" in note
    for job in prepare(*NEAR, f"protocol={protocol}", "jobs=1", "-m"):
        assert kept_together(job, *COPIES) and split_digest(job) != listing_digest(job)


def test_what_clips_are_similar_is_found_once(
    recordings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    prepare(*NEAR)
    assert "comparing 15 clips with each other, once" in capsys.readouterr().err
    monkeypatch.setattr(fingerprint, "find_similar", lambda _: pytest.fail("compared again"))
    (job,) = prepare(*NEAR, "protocol=crossval")
    assert "comparing" not in capsys.readouterr().err
    (sound(job).store.folder / "similar.json").write_text("{")
    monkeypatch.setattr(fingerprint, "find_similar", lambda _: [(0, 2)])
    (job,) = prepare(*NEAR)
    assert len(same_sound(job)[1]) == 1


def test_where_sources_are_known_they_alone_say_what_belongs_together(
    recordings: Path, capsys: pytest.CaptureFixture
) -> None:
    paths = sorted(path.as_posix() for path in recordings.rglob("*.*"))
    rows = [f"{path},{path.split('/')[1]},{number}" for number, path in enumerate(paths)]
    Path("list.csv").write_text("\n".join(["file,label,source", *rows]))
    (job,) = prepare("data.root=list.csv", *NEAR)
    assert same_sound(job)[1] == () and split_digest(job) == listing_digest(job)
    Path("list.csv").write_text("\n".join(["file,label,source", *rows]).replace("cat/0.wav,cat,0", "cat/0.wav,cat,"))
    (job,) = prepare("data.root=list.csv", *NEAR)
    assert {clips(job).clips[one].name for one, _ in same_sound(job)[1]} == {"sounds/cat/0.wav"}


def test_more_clips_than_can_be_compared_are_not_and_it_is_said(
    recordings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for module in (data_sound, experiment_sound):
        monkeypatch.setattr(module, "MAX_COMPARED", 10)
    (note,) = said(capsys, *NEAR)
    assert note.startswith("more than 10 clips, some of unknown source: looked for identical clips only")


def test_what_the_reader_of_a_file_assumed_is_said_in_one_line_for_each_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    real = content.read_audio

    def noted(path: Path, *most: int) -> Recording:
        number = int(path.stem)
        return replace(real(path, *most), notes=(f"{number} bytes were left out",) if number < 2 else ())

    monkeypatch.setattr(content, "read_audio", noted)
    assert said(capsys) == ["4 clips: 0 bytes were left out, and the like (cat/0.wav, cat/1.wav, dog/0.wav and 1 more)"]


def test_what_is_known_is_opened_again_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    forbid_heavy_imports(monkeypatch)
    assert prepare("heads=1")[0].content_digest


def test_copies_in_folders_called_train_and_val_are_refused_and_the_class_folders_named(
    capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    write_sounds(tmp_path / "parts" / "train", {"Dog": 4, "Cat": 4})
    for part in ("val", "test"):
        shutil.copytree(tmp_path / "parts" / "train", tmp_path / "parts" / part)
    line = refused(capsys, f"data.root={tmp_path / 'parts'}", "fold=0")
    assert "hold the same sound and are in test and in train" in line
    assert f"the class folders are one level down, and data.root={tmp_path / 'parts' / 'train'} takes" in line


@pytest.mark.parametrize("seconds", [0.25, 1.2])
def test_clips_too_short_to_be_searched_for_copies_are_said(
    capsys: pytest.CaptureFixture, tmp_path: Path, seconds: float
) -> None:
    write_sounds(tmp_path / "more", {"cat": 4, "dog": 4}, seconds=seconds)
    prepare(f"data.root={tmp_path / 'more'}")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "source unknown" in line]
    assert line.endswith("; 8 clips last less than 1.1 s, and of these only identical copies are found") == (
        seconds < 1
    )
