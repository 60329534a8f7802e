"""The page of an evaluation in a browser: nothing reaches over the edge, sounds and pictures are there."""

from pathlib import Path

import pytest
from support.browser import OUTSIDE, ask, needs_chromium
from support.command_line import write_sounds

from audio_cls.analysis.evaluation import EvaluatedClip, Evaluation
from audio_cls.reports.evaluation.labelled import read_labelled
from audio_cls.reports.evaluation.page import page_of

CLASSES = ("a class with a rather long name", "b", "c")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Of clips that are half wrong, some of labels that the model does not know."""
    import numpy as np

    write_sounds(tmp_path / "new", {CLASSES[0]: 4, "b": 4, "unknown_to_the_model": 3})
    labelled = read_labelled(tmp_path / "new", CLASSES)
    probabilities = [np.array([0.7, 0.2, 0.1], np.float32), np.array([0.1, 0.2, 0.7], np.float32)]
    evaluation = Evaluation(
        CLASSES,
        [
            EvaluatedClip(
                clip.name, label, None, probabilities[index % 2], ("unlike training data", "unsure"), index == 0
            )
            for index, (clip, label) in enumerate(zip(labelled.clips, labelled.labels, strict=True))
        ],
    )
    scored = {"clips not in training": evaluation.figures(evaluation.new), "all": evaluation.figures(evaluation.known)}
    path = tmp_path / "page.html"
    path.write_text(page_of("a_variant_with_a_long_name, fold 0, seed 0", labelled, evaluation, scored))
    return path


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_reaches_over_the_edge(page, tmp_path, width):
    found = ask(page, OUTSIDE, tmp_path, width)
    assert found == {"width": width, "wide": [], "cut": [], "broken": 0}


@needs_chromium
def test_wrong_clips_can_be_played(page, tmp_path):
    seconds = ask(page, "return [...document.querySelectorAll('audio')].map(each => each.duration);", tmp_path)
    assert len(seconds) == 6
    assert all(0.5 < each < 0.8 for each in seconds)
