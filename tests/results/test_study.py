import json

import numpy as np
import pytest
from support.study_folders import edit_metrics, write_job, write_variant

from audio_cls.results.study import StudyError, load_study


def only_job(study):
    (job,) = load_study(study).jobs
    return job


def test_jobs_are_read_in_order_of_variant_fold_and_seed(tmp_path):
    write_variant(tmp_path, "transformer_h4", folds=(1, 0), seeds=(10, 2))
    write_job(tmp_path, "cnn")
    (tmp_path / "cnn" / "notes").mkdir()
    (tmp_path / "summary.md").write_text("old")
    assert [job.name for job in load_study(tmp_path).jobs] == [
        "cnn/fold0-seed0",
        "transformer_h4/fold0-seed2",
        "transformer_h4/fold0-seed10",
        "transformer_h4/fold1-seed2",
        "transformer_h4/fold1-seed10",
    ]


def test_a_finished_job_brings_its_held_out_predictions_with_sources_from_split_csv(tmp_path):
    write_job(tmp_path, "cnn", 1)
    predictions = only_job(tmp_path).predictions
    assert predictions.keys() == {"val", "test"}
    val = predictions["val"]
    assert (val.fold, val.seed, val.split_digest) == (1, 0, "abc")
    assert (val.clips[5], val.sources[5]) == ("fold1/05.wav", "fold1-source1")
    assert val.probabilities.shape == (40, 2)
    assert np.array_equal(val.probabilities.argmax(axis=1), val.predicted)


def test_without_split_csv_no_source_is_known(tmp_path):
    (write_job(tmp_path, "cnn") / "split.csv").unlink()
    assert set(only_job(tmp_path).predictions["val"].sources) == {""}


def test_a_study_shares_its_data_set_protocol_and_number_of_folds(tmp_path):
    write_job(tmp_path, "cnn", dataset="synthetic", protocol="crossval")
    study = load_study(tmp_path)
    assert (study.dataset, study.protocol, study.split_digest, study.num_folds) == ("synthetic", "crossval", "abc", 5)
    assert study.classes == ("Dog", "Rain")


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_an_unfinished_job_keeps_its_status_and_reason(tmp_path, status):
    write_job(tmp_path, "cnn", status=status, error="out of memory")
    job = only_job(tmp_path)
    assert (job.status, job.reason, job.predictions) == (status, "out of memory", {})


def damage(text="", file="metrics.json"):
    return lambda folder: (folder / file).write_text(text)


def remove(file):
    return lambda folder: (folder / file).unlink()


def replace(file, before, after):
    def change(folder):
        text = (folder / file).read_text()
        assert before in text
        (folder / file).write_text(text.replace(before, after))

    return change


def forget(key):
    def change(folder):
        metrics = json.loads((folder / "metrics.json").read_text())
        del metrics[key]
        (folder / "metrics.json").write_text(json.dumps(metrics))

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove("metrics.json"), "no metrics.json"),
        (damage('{"study": "s", "fo'), "metrics.json cannot be read"),
        (lambda folder: (folder / "metrics.json").write_bytes(b"\xff\xfe{}"), "metrics.json cannot be read"),
        (damage("[]"), "metrics.json holds no object"),
        (forget("protocol"), "metrics.json has no 'protocol'"),
        (lambda folder: edit_metrics(folder, status="fine"), "status='fine' cannot be right"),
        (lambda folder: edit_metrics(folder, protocol=["x"]), "protocol=['x'] cannot be right"),
        (lambda folder: edit_metrics(folder, fold=3), "belongs to fold 3 seed 0"),
        (lambda folder: edit_metrics(folder, val=None), "no 'val' figures, which protocol=holdout needs"),
        (lambda folder: edit_metrics(folder, val={"accuracy": 7}), "val.accuracy=7 is not a figure in 0..1"),
        (remove("predictions.csv"), "no predictions.csv"),
        (damage("", "predictions.csv"), "predictions.csv has no column 'split'"),
        (replace("predictions.csv", "p_1", "p_7"), "predictions.csv has no column 'p_1'"),
        (replace("predictions.csv", "val,fold0/05.wav,1", "val,fold0/05.wav,one"), "a row that is not numbers"),
        (replace("predictions.csv", "val,fold0/05.wav,1", "val,fold0/05.wav"), "predictions.csv has"),
        (replace("predictions.csv", "val,fold0/05.wav,1", "val,fold0/05.wav,9"), "labels outside 0..1"),
        (replace("predictions.csv", "fold0/05.wav", "fold0/06.wav"), "a clip twice in one split"),
        (replace("predictions.csv", "val,", "other,"), "0 val clips"),
        (lambda folder: edit_metrics(folder, val={"accuracy": 0.1, "f1_macro": 0.1, "auroc_macro": 0.1}), "says 0.1"),
    ],
)
def test_a_damaged_job_is_named_with_what_is_wrong(tmp_path, change, reason):
    change(write_job(tmp_path, "cnn"))
    job = only_job(tmp_path)
    assert job.status == "damaged"
    assert reason in job.reason
    assert "\n" not in job.reason


def test_an_auroc_that_does_not_exist_is_no_damage(tmp_path):
    folder = write_job(tmp_path, "cnn")
    val = json.loads((folder / "metrics.json").read_text())["val"]
    edit_metrics(folder, val={**val, "auroc_macro": None})
    assert only_job(tmp_path).status == "done"


@pytest.mark.parametrize(
    ("key", "value"),
    [("dataset", "synthetic"), ("protocol", "crossval"), ("split_digest", "def"), ("classes", ["Cat", "Dog"])],
)
def test_jobs_of_different_data_protocol_or_split_are_refused_by_name(tmp_path, key, value):
    write_variant(tmp_path, "cnn")
    write_job(tmp_path, "transformer_h4", **{key: value})
    with pytest.raises(StudyError) as error:
        load_study(tmp_path)
    message = str(error.value)
    assert "transformer_h4/fold0-seed0" in message
    assert "cnn/fold0-seed0, cnn/fold1-seed0, cnn/fold2-seed0 and 1 more" in message
    assert f"{key} {value}" in message
    assert "study=NAME" in message


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StudyError, match="no such folder"):
        load_study(tmp_path / "nothing")
