import numpy as np
import pytest

from audio_cls.data.balance import class_weights, describe_imbalance


def test_classes_weigh_alike_and_a_clip_weighs_1_on_average() -> None:
    labels = np.array([0] * 6 + [2] * 2)
    weights = class_weights(labels, 4)
    assert weights[labels].mean() == pytest.approx(1)
    assert 6 * weights[0] == pytest.approx(2 * weights[2])
    assert np.isfinite(weights).all()


@pytest.mark.parametrize(("sizes", "said"), [((9, 3), None), ((10, 3), "'a' has 10 clips, 'b' 3")])
def test_more_than_three_to_one_is_said(sizes: tuple[int, ...], said: str | None) -> None:
    assert describe_imbalance(np.repeat([0, 1], sizes), ("a", "b")) == said
