"""The commands that train a study's variants again."""

import shlex

import pytest
from hydra import initialize_config_dir
from support.command_line import CONF
from support.study_folders import write_job, write_variant
from support.tiny_jobs import plan_jobs

from audio_cls.cli.main import main
from audio_cls.config.job import Job, clips
from audio_cls.experiment.plan import make_plan
from audio_cls.reports import commands
from audio_cls.results import job_files
from audio_cls.results.study import load_study


def planned(command: str) -> tuple[Job, ...]:
    words = shlex.split(command)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return make_plan(words[2:-1], multirun=True).jobs


def digest(job: Job) -> str:
    return job_files.split_digest(clips(job), job.config.protocol, 2, job.config.data.split_seed)


@pytest.mark.parametrize("name", ["data.name=mine", "data.name=null"])
def test_a_command_leads_to_the_same_clips_also_where_the_data_were_given_a_name(tmp_path, name):
    (job,) = plan_jobs(tmp_path, "study=s", name)
    job_files.write_config(job)
    again = planned(commands.training_command(job.folder, "s", job.variant))[0]
    assert again.dataset == job.dataset == ("mine" if name.endswith("mine") else "tones")
    assert digest(again) == digest(job)


@pytest.mark.parametrize("content", [b"- no\n- job's\n", b"{unbalanced", b"a: b: c", b"\xff\xfe\x00", b"", None])
def test_a_configuration_that_cannot_be_read_costs_one_line_and_no_command_is_printed(tmp_path, capsys, content):
    (job,) = plan_jobs(tmp_path, "study=s")
    write_job(tmp_path / "outputs/s", job.variant, chance=1.0)
    job_files.write_config(job)
    damaged = write_job(tmp_path / "outputs/s", "damaged", chance=0.6)
    if content is not None:
        (damaged / "config.yaml").write_bytes(content)
    assert main(["confirm", str(tmp_path / "outputs/s")]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert f"{damaged}/config.yaml" in printed.err


def test_a_study_without_a_baseline_is_told_the_command_that_adds_one(tmp_path):
    (job, *_) = plan_jobs(tmp_path, "study=tones", "seed=1")
    folder = write_job(tmp_path / "outputs" / "tones", "transformer")
    job_files.write_config(job)
    (job.folder / job_files.CONFIG).rename(folder / job_files.CONFIG)
    study = load_study(tmp_path / "outputs" / "tones")
    command = commands.baseline_command(study)
    assert all(
        f" {word} " in command for word in ("data=folder", f"data.root={tmp_path / 'tones'}", "data.num_folds=2")
    )
    assert command.endswith("model=baseline study=tones -m") and "trainer." not in command and "seed" not in command
    with initialize_config_dir(str(CONF), version_base="1.3"):
        added = make_plan(shlex.split(command)[2:-1], multirun=True).jobs
    assert {added.study_folder for added in added} == {job.study_folder}
    write_job(study.path, "baseline", model="baseline")
    assert commands.baseline_command(load_study(study.path)) == ""


def test_what_stands_there_with_every_fold_needs_no_confirmation(tmp_path, capsys):
    write_variant(tmp_path / "outputs/s", "cnn")
    write_job(tmp_path / "outputs/s", "searched", chance=0.1)
    asked = ["confirm", "s", "--output-dir", str(tmp_path / "outputs")]
    assert main([*asked, "--top", "1"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "nothing is left to confirm, as every fold is done of cnn;" in printed.err
    assert f"audio-cls export s --output-dir {tmp_path / 'outputs'}" in printed.err
