import sys
from pathlib import Path

import numpy as np
import pytest

from audio_cls.serving.confidence import confidence_threshold, job_threshold


def two_classes(tops: np.ndarray) -> np.ndarray:
    """Probabilities (N, 2) whose class 0 has these."""
    return np.stack([tops, 1 - tops], axis=1)


def test_one_right_answer_in_twenty_lies_below_the_threshold() -> None:
    tops = np.linspace(0.6, 0.99, 40)
    threshold = confidence_threshold(two_classes(tops), np.zeros(40, int))
    assert threshold == tops[1]  # the second lowest of 40, so that one lies below
    assert np.mean(tops < threshold) <= 0.05


def test_wrong_answers_do_not_move_the_threshold() -> None:
    tops = np.linspace(0.6, 0.99, 40)
    with_wrong = np.concatenate([tops, np.full(10, 0.55)])
    labels = np.concatenate([np.zeros(40, int), np.ones(10, int)])
    assert confidence_threshold(two_classes(with_wrong), labels) == tops[1]


@pytest.mark.parametrize(("count", "known"), [(18, False), (19, True)])
def test_fewer_than_19_right_answers_give_no_threshold(count: int, known: bool) -> None:
    threshold = confidence_threshold(two_classes(np.linspace(0.6, 0.9, count)), np.zeros(count, int))
    assert threshold == (0.6 if known else 0.0)


def test_new_clips_of_the_same_kind_lie_below_in_at_most_5_percent() -> None:
    rng = np.random.default_rng(0)
    below = []
    for _ in range(2_000):
        tops = 0.5 + rng.random(60) / 2
        below.append(tops[59] < confidence_threshold(two_classes(tops[:59]), np.zeros(59, int)))
    assert 0.03 < np.mean(below) <= 0.06


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\) and labels \(2,\)"):
        confidence_threshold(np.zeros((3, 2)), np.zeros(2, int))


def test_a_jobs_threshold_is_that_of_its_held_out_clips(tmp_path: Path) -> None:
    path, tops = tmp_path / "predictions.csv", np.linspace(0.6, 0.99, 40)
    rows = [f"val,{index}.wav,0,0,a,a,{top},{1 - top}" for index, top in enumerate(tops)]
    rows += [f"train,t{index}.wav,0,0,a,a,0.51,0.49" for index in range(40)]
    path.write_text("\n".join(["split,clip,label,predicted,label_name,predicted_name,p_0,p_1", *rows]))
    assert job_threshold(path) == pytest.approx(tops[1])


@pytest.mark.parametrize("content", [None, "", "split,clip\nval,a.wav\n", "split,label,p_0\nval,0,x\n", "\x00"])
def test_a_job_without_readable_predictions_has_no_threshold(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "predictions.csv").write_text(content)
    assert job_threshold(tmp_path / "predictions.csv") == 0


def test_scipy_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert confidence_threshold(two_classes(np.full(30, 0.9)), np.zeros(30, int)) == 0.9
