"""The picture of a clip."""

import numpy as np
import pytest

from audio_cls.figures.clip import clip_figure


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.45, 1, 5, 60])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_labels_of_ticks_do_not_overlap(seconds, rate):
    waveform = np.sin(np.arange(int(seconds * rate)) * 0.3).astype(np.float32)
    figure = clip_figure(waveform, rate, 12.0, min(rate / 2, 11_025.0))
    figure.canvas.draw()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [label.get_window_extent() for label in axis.get_ticklabels() if label.get_text()]
            low, high = axis.get_view_interval()
            places = axis.get_ticklocs()
            shown = [box for box, place in zip(boxes, places, strict=False) if low <= place <= high and box.width]
            assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in shown)
            assert not any(one.overlaps(other) for number, one in enumerate(shown) for other in shown[number + 1 :])
