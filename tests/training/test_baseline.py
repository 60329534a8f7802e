import shutil

import numpy as np
import pytest
import soundfile
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from support import tiny

from audio_cls.data.balance import class_weights
from audio_cls.training.baseline import fit_baseline, training_statistics
from audio_cls.training.history import read_history
from audio_cls.training.modules import ClassifierModule

MODEL = {"name": "baseline", "num_mels": 16, "n_fft": 256, "hop_length": 64, "regularization": 10.0}


def fit(folder, data, class_weights: torch.Tensor | None = None) -> ClassifierModule:
    recipe = {"normalize": True, "augment": tiny.NO_AUGMENT, "optimizer": tiny.OPTIMIZER, "silence_db": 30.0}
    module = ClassifierModule(list(data.clip_set.classes), tiny.CROP, tiny.RATE, MODEL, **recipe)
    module.class_weights = class_weights
    fit_baseline(module.eval(), data, 10.0, folder / "history.csv", folder / "last.ckpt")
    return module


@pytest.mark.parametrize("num_classes", [2, 3])
def test_probabilities_are_those_of_scikit_learn(tmp_path, num_classes):
    tiny.write_tones(tmp_path / "tones")
    for name in tiny.CLASSES[num_classes:]:
        shutil.rmtree(tmp_path / "tones" / name)
    data = tiny.datamodule(tmp_path)
    module = fit(tmp_path, data)
    statistics, labels, weights = (values.numpy() for values in training_statistics(module, data))
    scaler = StandardScaler().fit(statistics, sample_weight=weights)
    scaled = scaler.transform(statistics)
    regression = LogisticRegression(C=0.1, max_iter=2_000).fit(scaled, labels, sample_weight=weights)
    crops = torch.cat([batch["waveform"].flatten(0, 1) for batch in data.evaluation_batches(data.split.val)])
    with torch.no_grad():
        held_out = module.network.statistics(module.clip_classifier.normalized(crops)).numpy()
        found = module(crops).softmax(-1).numpy()
    expected = regression.predict_proba(scaler.transform(held_out))
    assert expected.shape == (len(crops), num_classes)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_clip_counts_as_one_and_its_silent_crops_do_not_count(tmp_path):
    data = tiny.datamodule(tmp_path, eval_crops=3)
    module = fit(tmp_path, data)
    clip = data.clip_set.clips[data.split.train[0]].path
    waveform, _ = soundfile.read(clip)
    soundfile.write(clip, np.where(np.arange(len(waveform)) < 700, waveform, 0), tiny.RATE)
    _, labels, weights = training_statistics(module, tiny.datamodule(tmp_path, eval_crops=3))
    assert len(labels) == 3 * len(data.split.train)
    torch.testing.assert_close(weights.view(-1, 3).sum(1), torch.ones(len(data.split.train)))
    assert weights[:3].tolist() != pytest.approx([1 / 3] * 3)


def test_with_weights_of_the_classes_the_fit_is_the_balanced_one_of_scikit_learn(tmp_path):
    tiny.write_tones(tmp_path / "tones")
    for name in tiny.CLASSES[1:]:
        for index in range(5):
            (tmp_path / "tones" / name / f"{index}.wav").unlink()
    data = tiny.datamodule(tmp_path, protocol="all", eval_crops=1)
    weights = torch.from_numpy(class_weights(data.labels, 3))
    plain, weighted = fit(tmp_path, data).network.linear, fit(tmp_path, data, weights).network.linear
    module = ClassifierModule(
        tiny.CLASSES,
        tiny.CROP,
        tiny.RATE,
        MODEL,
        normalize=True,
        augment=tiny.NO_AUGMENT,
        optimizer=tiny.OPTIMIZER,
        silence_db=30.0,
    )
    statistics, labels, _ = (values.numpy() for values in training_statistics(module, data))
    balanced = np.bincount(labels)[labels] ** -1.0
    scaled = StandardScaler().fit(statistics, sample_weight=balanced).transform(statistics)
    regression = LogisticRegression(C=0.1, max_iter=2_000, class_weight="balanced").fit(scaled, labels)
    np.testing.assert_allclose(weighted.weight.detach(), regression.coef_, atol=1e-3)
    assert not torch.allclose(plain.weight, weighted.weight, atol=1e-2)


def test_held_out_clips_do_not_change_the_weights(tmp_path):
    data = tiny.datamodule(tmp_path)
    before = fit(tmp_path, data).state_dict()
    random = np.random.default_rng(0)
    for clip in np.concatenate([data.split.val, data.split.test]):
        soundfile.write(data.clip_set.clips[clip].path, 0.1 * random.normal(size=tiny.RATE // 2), tiny.RATE)
    after = fit(tmp_path, tiny.datamodule(tmp_path, cache_dir=tmp_path / "other")).state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    soundfile.write(data.clip_set.clips[data.split.train[0]].path, 0.1 * random.normal(size=tiny.RATE // 2), tiny.RATE)
    third = fit(tmp_path, tiny.datamodule(tmp_path, cache_dir=tmp_path / "third")).state_dict()
    assert not all(torch.equal(before[key], third[key]) for key in before)


def test_the_history_has_one_epoch_and_the_checkpoint_builds_the_module_again(tmp_path):
    data = tiny.datamodule(tmp_path)
    module = fit(tmp_path, data)
    (row,) = read_history(tmp_path / "history.csv")
    assert row["train_accuracy"] == 1 and 0 < row["train_loss"] < 1 and row["lr"] is None
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    again = ClassifierModule(**content["hyper_parameters"]).eval()
    again.load_state_dict(content["state_dict"])
    waveforms = tiny.batch()["waveform"]
    with torch.no_grad():
        torch.testing.assert_close(again(waveforms), module(waveforms))
