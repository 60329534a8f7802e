import pytest
from support.command_line import write_esc10, write_sounds

from audio_cls.data.clips import DataError, PlaceError
from audio_cls.reports.evaluation.labelled import read_labelled
from audio_cls.wording import UserError

CLASSES = ("Dog", "Rain", "Wind")


def test_labels_are_matched_by_name_and_what_is_missing_is_said(tmp_path):
    write_sounds(tmp_path / "new", {"Rain": 1, "Cow": 1, "Dog": 2})
    found = read_labelled(tmp_path / "new", CLASSES)
    assert (found.name, found.labels) == ("new", ("Cow", "Dog", "Dog", "Rain"))
    assert [clip.name for clip in found.clips] == ["Cow/0.wav", "Dog/0.wav", "Dog/1.wav", "Rain/0.wav"]
    assert found.notes[-1] == "no clips of Wind, which the model knows"
    assert found.path_of("Rain/0.wav") == tmp_path / "new/Rain/0.wav"


def test_labels_that_are_only_written_another_way_are_matched_and_said(tmp_path):
    write_sounds(tmp_path / "new", {"rain ": 1, "DOG": 1, "Wind": 1, "wind": 1})
    found = read_labelled(tmp_path / "new", CLASSES)
    assert found.labels == ("Dog", "Wind", "Rain", "wind")  # the model's own Wind is there, so wind is another label
    taken = [note for note in found.notes if "is taken for" in note]
    assert taken == [
        "label 'DOG' is taken for the class 'Dog', as only the way of writing differs",
        "label 'rain ' is taken for the class 'Rain', as only the way of writing differs",
    ]


def test_one_class_is_enough_to_try_a_model(tmp_path):
    write_sounds(tmp_path / "new", {"Dog": 2})
    assert read_labelled(tmp_path / "new", CLASSES).labels == ("Dog", "Dog")
    (tmp_path / "new.csv").write_text("file,label,source\nnew/Dog/0.wav,Dog,anna\n")
    found = read_labelled(tmp_path / "new.csv", CLASSES)
    assert [(clip.source, label) for clip, label in zip(found.clips, found.labels, strict=True)] == [("anna", "Dog")]


def test_esc10_is_known_by_its_layout(tmp_path):
    found = read_labelled(write_esc10(tmp_path / "esc", (1, 2)), ("Class 1", "Class 2"))
    assert len(found.clips) == 40
    assert found.labels[0] == "Class 1"
    assert {clip.source for clip in found.clips} >= {"1000", "2000"}


def test_a_folder_without_any_class_of_the_model_is_refused_with_both_lists(tmp_path):
    write_sounds(tmp_path / "new", {"Cow": 1, "Car": 1})
    with pytest.raises(UserError) as refused:
        read_labelled(tmp_path / "new", CLASSES)
    said = str(refused.value)
    assert "there Car, Cow; in the model Dog, Rain, Wind. Rename" in said and "\n" not in said


def test_bad_data_are_refused_in_the_words_of_this_command(tmp_path):
    write_sounds(tmp_path / "new", {"Dog": 1, "Rain": 1})
    with pytest.raises(UserError, match="is a sound without a label; give a folder"):
        read_labelled(tmp_path / "new/Dog/0.wav", CLASSES)
    with pytest.raises(DataError, match=f"give the folder above: {tmp_path / 'new'}$"):
        read_labelled(tmp_path / "new/Dog", CLASSES)
    with pytest.raises(PlaceError, match="does not exist: DATA must be"):
        read_labelled(tmp_path / "nowhere", CLASSES)
    (tmp_path / "new.csv").write_text("file,label\nmissing.wav,Dog\n")
    with pytest.raises(DataError, match=r"line 2: missing.wav does not exist"):
        read_labelled(tmp_path / "new.csv", CLASSES)
