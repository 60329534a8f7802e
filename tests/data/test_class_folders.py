"""Folders of sounds: read as what they are, and nothing in them left out without a word."""

import os

import pytest
from support.sound_names import touch

from audio_cls.data import formats
from audio_cls.data.clips import DataError
from audio_cls.data.sources import read_any_folder, read_folder

PARTS = [
    f"{part}/{name}/{number}.wav" for part in ("train", "val", "test") for name in ("dog", "cat") for number in "12"
]


def by_fold(clip_set) -> dict[int, list[str]]:
    return {
        fold: [clip.name for clip in clip_set.clips if clip.fold == fold] for fold in {c.fold for c in clip_set.clips}
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (PARTS, ("train", "val", "test")),
        ([name.replace("train", "Training").replace("val", "DEV") for name in PARTS], ("Training", "DEV", "test")),
        (["/".join([name.split("/")[1], name.split("/")[0], "x.wav"]) for name in PARTS], ("train", "val", "test")),
        ([name.replace("dog/", "dog/tape/") for name in PARTS], ("train", "val", "test")),
        ([name.replace("/", "_set/", 1) for name in PARTS], ("train_set", "val_set", "test_set")),
        ([name.replace("/", " Data/", 1) for name in PARTS], ("train Data", "val Data", "test Data")),
        ([f"X_{name}" for name in PARTS], ("X_train", "X_val", "X_test")),
    ],
)
def test_folders_called_train_val_and_test_are_roles_above_or_below_the_classes(tmp_path, given, words):
    clips = read_folder(touch(tmp_path, *given, "notes.txt"))
    assert clips.classes == ("cat", "dog") and clips.has_roles
    for fold, word in enumerate(words, 1):
        assert by_fold(clips)[fold] and all(word in name.split("/") for name in by_fold(clips)[fold])
    (note,) = clips.notes
    assert "have roles by the folders" in note and "val" in note


def test_numbered_fold_folders_are_folds(tmp_path):
    names = [f"fold{number}/{name}/1.wav" for number in (1, 2, 10) for name in ("dog", "cat")]
    clips = read_folder(touch(tmp_path, *names))
    assert clips.classes == ("cat", "dog") and not clips.has_roles
    assert by_fold(clips)[3] == ["fold10/cat/1.wav", "fold10/dog/1.wav"]


def test_one_folder_called_like_a_role_is_a_class(tmp_path):
    clips = read_folder(touch(tmp_path, "train/1.wav", "plane/1.wav", "test/1.wav"))
    assert clips.classes == ("plane", "test", "train") and not clips.has_roles
    assert read_folder(touch(tmp_path / "deep", "train/a/1.wav", "plane/b/1.wav")).classes == ("plane", "train")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("train/1.wav", "test/2.wav"), "holds 'test' and 'train', and in these there are sounds but no class folders"),
        (("fold1/1.wav", "fold2/2.wav"), "holds 'fold1' and 'fold2', .* no class folders"),
        ((*PARTS, "extra/1.wav"), "'extra', which say none: move or rename"),
        (
            ("dog/train/1.wav", "dog/test/1.wav", "cat/1.wav"),
            "cat/1.wav lies in none of the folders 'test' and 'train'",
        ),
        (("dog/train/1.wav", "dog/test/1.wav", "cat/more/1.wav"), "the class folders of .*'more', which say none"),
        (("data/dog/1.wav", "data/cat/2.wav"), "one folder with sounds, 'data', .*'cat' and 'dog'.*data.root=.*/data$"),
        (("a/b/dog/1.wav", "a/b/cat/deep/2.wav"), "one folder with sounds, 'a/b', .*data.root=.*/a/b$"),
        (("train/dog/1.wav", "train/cat/2.wav"), "one folder with sounds, 'train', .*data.root=.*/train$"),
        (("dog/1.wav", "dog/deep/2.wav"), "one class only, 'dog'"),
        (("dog/1.wav", "cat/1.xyz", "cat/2.xyz"), "cat holds 2 files but no sound that can be read .*xyz"),
        (("dog/1.wav", "cat/1"), "cat holds 1 file but no sound that can be read .no extension"),
        (("dog/1.wav", "bird/2.wav", "cat/.DS_Store"), "class folder .*cat is empty"),
        (("dog/1.wav", "bird/2.wav", "cat/.1.wav"), "class folder .*cat holds hidden sounds only"),
        (("dog/1.wav", "bird/2.wav", "cat/REC1", "cat/REC2"), "cat holds 2 files but no sound .*no extension"),
        ([f"audio/{name}" for name in PARTS], "'audio', .*parts of a split: data.root=.*/audio$"),
        ([f"a/b/{name}" for name in PARTS], "one folder with sounds, 'a/b', .*parts of a split: data.root=.*/a/b$"),
        (("dog/train/1.wav", "dog/test/1.wav"), "one class only, 'dog'"),
        ([name.replace("/", "-a/", 1) for name in PARTS], "'val-a', each with the folders .*: if .* call them train"),
    ],
)
def test_folders_on_another_level_are_refused_naming_what_to_do(tmp_path, names, problem):
    with pytest.raises(DataError, match=problem):
        read_folder(touch(tmp_path, *names))


def test_a_class_folder_alone_is_refused_naming_the_folder_above_or_the_table(tmp_path):
    root = touch(tmp_path / "birds", "dog/1.wav", "dog/2.wav", "cat/1.wav")
    with pytest.raises(
        DataError, match="dog holds 2 sounds, but no folders .* give the folder above: data.root=.*birds$"
    ):
        read_folder(root / "dog")
    with pytest.raises(DataError, match="if list.csv lists them, give it as data.root"):
        read_folder(touch(root / "dog", "list.csv"))


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (("x.wav", "y.wav"), "2 sounds lie beside the class folders and are left out (first: x.wav)"),
        (("a/x.xyz", "a/y.xyz", "b/take"), "3 files are left out (first: a/take-) as no sound: 2 .xyz and 1 without"),
        (("a/REC1", "a/REC2"), "2 files are left out (first: a/REC1) as no sound: 2 without an extension"),
        (("docs/about.md",), "'docs' holds no sounds and is no class"),
        (("a/.x.wav",), "1 hidden file or folder is left out (a/.x.wav)"),
        ((".old/a/x.wav", "a/.x.wav"), "2 hidden files or folders are left out (first: .old)"),
        (("A/1.wav",), "classes 'A' and 'a' differ only in case"),
    ],
)
def test_what_is_left_out_or_looks_alike_is_noted(tmp_path, names, note):
    root = touch(tmp_path, "a/1.wav", "b/1.wav", *names)
    notes = read_folder(root).notes
    assert len(notes) == 1
    assert notes[0].startswith(note.replace("a/take-", "a/x.xyz"))


def test_what_usually_lies_beside_sounds_is_passed_over(tmp_path):
    names = "a/notes.txt a/1.json cover.JPG README LICENSE SHA256SUMS Thumbs.db .DS_Store a/._1.wav .git/x"
    names += " __MACOSX/a/._1.wav"
    assert read_folder(touch(tmp_path, "a/1.wav", "b/1.wav", *names.split())).notes == ()


def test_a_named_pipe_is_no_sound(tmp_path):
    root = touch(tmp_path, "a/1.wav", "b/1.wav")
    os.mkfifo(root / "a" / "2.wav")  # opening it would wait for ever
    clips = read_folder(root)
    assert len(clips) == 2 and clips.notes == ("1 file is left out (a/2.wav) as no sound: 1 .wav",)


def test_numbered_classes_are_in_the_order_of_their_numbers(tmp_path):
    assert read_folder(touch(tmp_path, "10/1.wav", "2/1.wav", "0/1.wav")).classes == ("0", "2", "10")


def test_sounds_that_need_a_decoder_are_all_named_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "decoder_installed", lambda: False)
    root = touch(tmp_path, "a/1.wav", "a/x.m4a", "b/y.m4a", "b/deep/z.WMA", "b/1.wav")
    with pytest.raises(DataError, match="2 .m4a and 1 .wma files .*/a/x.m4a, .* need a decoder"):
        read_folder(root)
    monkeypatch.setattr(formats, "decoder_installed", lambda: True)
    assert len(read_folder(root)) == 5


def test_the_same_folders_in_every_class_are_noted_unless_they_are_the_sources(tmp_path):
    root = touch(tmp_path, *(f"{digit}/{speaker}/1.wav" for digit in "01" for speaker in ("george", "jack")))
    (note,) = read_any_folder(root).notes
    assert note.startswith("each of the 2 class folders holds the folders 'george' and 'jack'")
    clips = read_any_folder(root, source="parent")
    assert [clip.source for clip in clips.clips] == ["george", "jack"] * 2
    assert [note[:9] for note in clips.notes] == ["2 sources"]


def test_sources_that_look_alike_are_noted(tmp_path):
    root = touch(tmp_path, "a/Tape_1.wav", "b/tape_2.wav")
    assert read_any_folder(root, source="{source}_*").notes[1] == "sources 'Tape' and 'tape' differ only in case"


def test_links_within_the_data_are_noted_and_give_no_clip_twice(tmp_path):
    root = touch(tmp_path, "a/1.wav", "b/1.wav")
    (root / "a" / "loop").symlink_to(root)
    (root / "a" / "other").symlink_to(root / "b")
    clips = read_folder(root)
    assert [clip.name for clip in clips.clips] == ["a/1.wav", "b/1.wav"]
    assert clips.notes == ("2 links are left out (first: a/loop): what it leads to is read already",)


def test_a_link_to_nothing_is_refused(tmp_path):
    root = touch(tmp_path, "a/1.wav", "b/1.wav")
    (root / "c").symlink_to(root / "gone")
    with pytest.raises(DataError, match="c is a link to what does not exist"):
        read_folder(root)


def test_a_folder_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    root, scandir = touch(tmp_path, "a/1.wav", "b/deep/1.wav"), os.scandir

    def guarded(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(DataError, match="deep cannot be read .Permission denied."):
        read_folder(root)
