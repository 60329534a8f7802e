"""What train says of the sound of its clips before it trains, and what it keeps together."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.command_line import CONF, write_sounds

from audio_cls.config.job import Job, clips
from audio_cls.data.splits import make_split
from audio_cls.experiment import launch, signals, sweep
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
    return [line.removeprefix("note: ") for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]


def refused(capsys: pytest.CaptureFixture, *more: str) -> str:
    with pytest.raises(SystemExit) as end:
        prepare(*more)
    assert end.value.code == 2 and not Path("outputs").exists()
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
