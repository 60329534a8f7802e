"""What could not be compared afterwards is refused before anything is trained."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.command_line import CONF, contents, write_sounds

from audio_cls.config.job import Job, clips, num_folds, sound
from audio_cls.experiment import launch, signals, sweep
from audio_cls.experiment.compatibility import listing_digest, split_digest
from audio_cls.experiment.plan import Plan
from audio_cls.files import write_csv, write_json
from audio_cls.results import job_files


def of(root: str, heads: int = 2) -> tuple[str, ...]:
    return "data=folder", f"data.root={root}", f"heads={heads}", "logger=none"


SOUNDS = of("sounds")


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signals, "handle", lambda *_: None)
    monkeypatch.setattr(sweep, "announce", lambda _: None)
    write_sounds(tmp_path / "sounds", {"Dog": 8, "Cat": 8})


def prepare(*arguments: str) -> Plan:
    return launch.prepare(arguments, CONF)


def begin(*arguments: str, **changes: Any) -> Job:
    """Leaves behind what a job leaves that is trained; `changes` are keys of metrics.json."""
    (job,) = prepare(*arguments).jobs
    job_files.write_config(job)
    metrics = {"dataset": job.dataset, "protocol": job.config.protocol, "num_folds": num_folds(job)}
    metrics |= {"classes": list(clips(job).classes), "split_digest": split_digest(job), "status": "running"}
    metrics |= {"num_train": 8, "num_val": 4, "num_test": len(clips(job)) - 12, "content_digest": job.content_digest}
    rows = zip(clips(job).clips, sound(job).store.digests, strict=True)
    write_csv(
        job.folder / job_files.SPLIT, ["clip", "content"], [[clip.name, digest.decode()] for clip, digest in rows]
    )
    write_json(job.folder / job_files.METRICS, metrics | changes)
    return job


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """The one line with which a command ends; nothing is written."""
    capsys.readouterr()
    before = contents(Path.cwd())
    with pytest.raises(SystemExit) as end:
        prepare(*arguments)
    assert end.value.code == 2
    assert contents(Path.cwd()) == before
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("status", ["done", "failed", "interrupted", "running"])
def test_another_split_is_refused_by_the_study_of_whatever_has_begun(
    status: str, capsys: pytest.CaptureFixture
) -> None:
    begin(*SOUNDS, status=status)
    assert refused(capsys, *SOUNDS, "data.split_seed=1", "variant=other") == (
        "outputs/sounds-holdout holds what cannot be compared with this, as transformer_h2/fold0-seed0:"
        " data.split_seed 0 there, 1 now; choose another study=NAME"
    )
    assert prepare(*SOUNDS, "data.split_seed=1", "study=other").jobs


def test_two_folders_of_one_name_are_refused_in_one_study(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    begin(*SOUNDS)
    write_sounds(tmp_path / "elsewhere" / "sounds", {"Dog": 8, "Rain": 9})
    line = refused(capsys, *of("elsewhere/sounds", heads=4))
    assert "classes Cat, Dog there, Dog, Rain and number of clips 16 there, 17" in line
    assert "data.root sounds there, elsewhere/sounds now; choose another study=NAME" in line


def test_clips_that_were_added_are_refused_in_the_study_of_those_before(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    begin(*SOUNDS)
    shutil.copy(tmp_path / "sounds/Dog/0.wav", tmp_path / "sounds/Dog/new.wav")
    assert "number of clips 16 there, 17 now" in refused(capsys, *SOUNDS, "fold=1", "variant=other")
    (tmp_path / "sounds/Dog/0.wav").unlink()
    line = refused(capsys, *SOUNDS, "variant=other")
    assert "other clips (files, labels, sources or folds) there than now; choose" in line
    shutil.copytree(tmp_path / "sounds", tmp_path / "copy" / "sounds")
    assert "other clips (files, labels, sources or folds) there than now" in refused(capsys, *of("copy/sounds"))


def test_another_protocol_is_refused_in_a_study_of_the_users_own_name(capsys: pytest.CaptureFixture) -> None:
    begin(*SOUNDS, "study=mine")
    line = refused(capsys, *SOUNDS, "study=mine", "protocol=crossval", "variant=other", "-m")
    assert "protocol holdout there, crossval" in line


def test_a_sweep_over_splits_is_refused_in_one_study(capsys: pytest.CaptureFixture) -> None:
    line = refused(capsys, *SOUNDS, "data.split_seed=0,1", "variant=a${data.split_seed}", "-m")
    assert "data.split_seed 0 in one, 1 in another; sweep each kind into a study of its own: study=NAME" in line
    assert len(prepare(*SOUNDS, "data.split_seed=0,1", "study=s${data.split_seed}", "fold=0", "-m").jobs) == 2


def test_the_same_data_elsewhere_and_files_that_say_nothing_are_no_obstacle(tmp_path: Path) -> None:
    job = begin(*SOUNDS)
    shutil.copytree(tmp_path / "sounds", tmp_path / "copy" / "sounds")
    assert prepare(*of("copy/sounds", heads=4)).jobs
    (job.folder / job_files.METRICS).write_text("{}")
    assert prepare(*SOUNDS, "data.split_seed=1", "variant=other").jobs


def test_what_a_folder_without_a_readable_configuration_differs_in_is_said_as_far_as_it_is_known(
    capsys: pytest.CaptureFixture,
) -> None:
    job = begin(*SOUNDS, num_train=None)
    (job.folder / job_files.CONFIG).write_text("[]")
    line = refused(capsys, *SOUNDS, "data.split_seed=1", "variant=other")
    assert "transformer_h2/fold0-seed0: other clips (files, labels, sources or folds) there than now" in line


# --- what the clips hold ---


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """The same file with other samples: as long, and with the time of change that it had."""
    before = path.stat()
    waveform, rate = soundfile.read(path)
    soundfile.write(path, change(waveform), rate)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def swap(one: Path, other: Path) -> None:
    kept = one.rename(one.with_suffix(".tmp"))
    other.rename(one)
    kept.rename(other)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file written anew": (lambda root: rewrite(root / "Dog/3.wav", np.flip), "1 of 16 clips (Dog/3.wav)"),
    "another level": (lambda root: rewrite(root / "Cat/0.wav", lambda x: 0.5 * x), "1 of 16 clips (Cat/0.wav)"),
    "two files swapped": (
        lambda root: swap(root / "Cat/0.wav", root / "Dog/7.wav"),
        "2 of 16 clips (Cat/0.wav, Dog/7.wav)",
    ),
    "a copy over a file": (
        lambda root: shutil.copy2(root / "Cat/1.wav", root / "Cat/0.wav"),
        "1 of 16 clips (Cat/0.wav)",
    ),
    "all files": (
        lambda root: [rewrite(path, lambda x: 0 * x) for path in root.rglob("*.wav")],
        "16 of 16 clips (Cat/0.wav, Cat/1.wav, Cat/2.wav and 13 more)",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_sound_under_the_same_names_is_refused_and_the_first_clips_are_named(
    change: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    begin(*SOUNDS)
    alter, said = CHANGES[change]
    alter(tmp_path / "sounds")
    line = refused(capsys, *SOUNDS)
    assert "outputs/sounds-holdout holds what cannot be compared with this, as transformer_h2/fold0-seed0" in line
    assert f"other sound in {said} now; choose another study=NAME" in line
    assert "other sound" in refused(capsys, *SOUNDS, "variant=other", "fold=1")
    assert prepare(*SOUNDS, "study=other").jobs


def test_a_folder_with_the_same_names_and_other_sound_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    begin(*SOUNDS)
    shutil.copytree(tmp_path / "sounds", tmp_path / "denoised" / "sounds")
    rewrite(tmp_path / "denoised/sounds/Dog/0.wav", lambda waveform: 0 * waveform)
    line = refused(capsys, *of("denoised/sounds"))
    assert "other sound in 1 of 16 clips (Dog/0.wav) now" in line


@pytest.mark.parametrize("how", ["moved", "copied", "linked", "links to each file", "copied with the times of now"])
def test_the_same_sound_elsewhere_is_the_same(how: str, tmp_path: Path) -> None:
    begin(*SOUNDS)
    new = tmp_path / "elsewhere" / "sounds"
    new.parent.mkdir()
    if how == "moved":
        (tmp_path / "sounds").rename(new)
    elif how == "linked":
        new.symlink_to(tmp_path / "sounds")
    elif how == "links to each file":
        shutil.copytree(tmp_path / "sounds", new, copy_function=lambda old, new: os.symlink(old, new))
    else:
        copy = shutil.copy2 if how == "copied" else shutil.copyfile
        shutil.copytree(tmp_path / "sounds", new, copy_function=copy)
    assert prepare(*of("elsewhere/sounds")).jobs


def test_a_link_that_is_turned_to_another_file_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "sounds/Dog/0.wav").rename(tmp_path / "one.wav")
    shutil.copy2(tmp_path / "sounds/Dog/1.wav", tmp_path / "other.wav")
    (tmp_path / "sounds/Dog/0.wav").symlink_to(tmp_path / "one.wav")
    begin(*SOUNDS)
    (tmp_path / "sounds/Dog/0.wav").unlink()
    (tmp_path / "sounds/Dog/0.wav").symlink_to(tmp_path / "other.wav")
    assert "other sound in 1 of 16 clips (Dog/0.wav) now" in refused(capsys, *SOUNDS)


def test_a_clip_in_another_container_has_another_name_and_is_another_clip(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    begin(*SOUNDS)
    waveform, rate = soundfile.read(tmp_path / "sounds/Dog/0.wav")
    soundfile.write(tmp_path / "sounds/Dog/0.flac", waveform, rate)
    (tmp_path / "sounds/Dog/0.wav").unlink()
    assert "other clips (files, labels, sources or folds) there than now" in refused(capsys, *SOUNDS)


def test_results_that_do_not_say_what_their_clips_held_go_on(tmp_path: Path) -> None:
    begin(*SOUNDS, content_digest=None)
    rewrite(tmp_path / "sounds/Dog/0.wav", np.flip)
    assert prepare(*of("sounds", heads=4)).jobs


def test_what_changed_is_not_named_where_the_split_does_not_say_it(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    job = begin(*SOUNDS)
    (job.folder / job_files.SPLIT).unlink()
    rewrite(tmp_path / "sounds/Dog/0.wav", np.flip)
    assert "fold0-seed0: other sound under the same names than now; choose" in refused(capsys, *SOUNDS)


def test_a_sweep_over_two_folders_of_one_shape_is_refused_in_one_study(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copytree(tmp_path / "sounds", tmp_path / "other")
    both = ("data=folder", "data.root=sounds,other", "data.name=s", "variant=${data.root}", "logger=none")
    assert prepare(*both, "jobs=1", "fold=0", "-m").jobs
    shutil.rmtree("outputs")
    rewrite(tmp_path / "other/Dog/0.wav", np.flip)
    line = refused(capsys, *both, "jobs=1", "fold=0", "-m")
    assert "other sound under the same names (sounds in one, other in another); sweep each kind into a study" in line


def test_a_result_made_before_copies_were_kept_together_is_refused_as_its_split_is_another(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copy(tmp_path / "sounds/Dog/0.wav", tmp_path / "sounds/Dog/5.wav")
    (job,) = prepare(*SOUNDS).jobs
    begin(*SOUNDS, content_digest=None, split_digest=listing_digest(job))
    assert "clips that hold the same sound were not kept on one side of its split" in refused(capsys, *SOUNDS)
