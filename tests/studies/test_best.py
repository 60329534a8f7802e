"""The commands that train a study's variants again."""

import shlex

import pytest
from hydra import initialize_config_dir
from tiny_jobs import ROOT, plan_jobs

from audio_cls.studies import best, results
from audio_cls.studies.plan import Job, clips, make_plan


def planned(command: str) -> tuple[Job, ...]:
    words = shlex.split(command)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return make_plan(words[2:-1], multirun=True).jobs


def digest(job: Job) -> str:
    return results.split_digest(clips(job), job.config.protocol, 2, job.config.data.split_seed)


@pytest.mark.parametrize("name", ["data.name=mine", "data.name=null"])
def test_a_command_leads_to_the_same_clips_also_where_the_data_were_given_a_name(tmp_path, name):
    (job,) = plan_jobs(tmp_path, "study=s", name)
    results.write_config(job)
    again = planned(best.training_command(job.folder, "s", job.variant))[0]
    assert again.dataset == job.dataset == ("mine" if name.endswith("mine") else "tones")
    assert digest(again) == digest(job)
