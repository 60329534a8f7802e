import numpy as np
import pytest

from audio_cls.data.balance import class_weights, describe_imbalance
from audio_cls.data.clips import Clip, ClipSet


def test_classes_weigh_alike_and_a_clip_weighs_1_on_average() -> None:
    labels = np.array([0] * 6 + [2] * 2)
    weights = class_weights(labels, 4)
    assert weights[labels].mean() == pytest.approx(1)
    assert 6 * weights[0] == pytest.approx(2 * weights[2])
    assert np.isfinite(weights).all()


@pytest.mark.parametrize(("sizes", "said"), [((9, 3), None), ((10, 3), "'a' has 10 clips, 'b' 3")])
def test_more_than_three_to_one_is_said(tmp_path, sizes: tuple[int, ...], said: str | None) -> None:
    clips = [Clip(tmp_path, f"{label}{n}", label) for label, size in enumerate(sizes) for n in range(size)]
    assert describe_imbalance(ClipSet("clips", tmp_path, ("a", "b"), tuple(clips))) == said
