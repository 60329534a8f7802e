import os
from pathlib import Path

import pytest
from support.sound_names import make_manifest, touch

from audio_cls.data.clips import DataError
from audio_cls.data.sources import (
    looks_like_esc10,
    read_any_folder,
    read_esc10,
    read_esc50,
    read_folder,
    read_manifest,
)

ESC10_CLASSES = "Dog bark,Rain,Sea waves,Baby cry,Clock tick,Person sneeze,Helicopter,Chainsaw,Rooster,Fire crackling"


def make_esc10(root: Path, folds=(1, 2, 3, 4, 5)) -> Path:
    for number, name in enumerate(ESC10_CLASSES.split(","), start=1):
        touch(root, *(f"{number:03d} - {name}/{fold}-{number}{fold}-{take}.ogg" for fold in folds for take in "AB"))
    return touch(root, "README.md", "SHA256SUMS")


def test_esc10_reads_class_fold_and_recording_from_the_names(tmp_path):
    clips = read_esc10(make_esc10(tmp_path))
    assert clips.name == "esc10" and clips.classes == tuple(ESC10_CLASSES.split(",")) and len(clips) == 100
    assert clips.num_published_folds == 5
    clip = clips.clips[2]
    assert (clip.name, clip.label, clip.source, clip.fold) == ("001 - Dog bark/2-12-A.ogg", 0, "12", 2)
    assert [clip.name for clip in clips.clips] == sorted(clip.name for clip in clips.clips)
    assert all(clip.path == tmp_path / clip.name for clip in clips.clips)


def test_esc10_without_fold_one_still_counts_five_published_folds(tmp_path):
    clips = read_esc10(make_esc10(tmp_path, folds=(2, 3, 4, 5)))
    assert {clip.fold for clip in clips.clips} == {2, 3, 4, 5} and clips.num_published_folds == 5


def test_a_folder_is_esc10_only_when_it_is_complete_in_its_classes_and_names(tmp_path):
    assert looks_like_esc10(make_esc10(tmp_path / "whole"))
    assert not looks_like_esc10(touch(tmp_path / "some", "001 - Dog bark/1-1-A.ogg", "002 - Rain/1-2-A.ogg"))
    assert not looks_like_esc10(touch(make_esc10(tmp_path / "strange"), "001 - Dog bark/mine.wav"))
    assert not looks_like_esc10(tmp_path / "nowhere")


def test_esc10_that_is_not_recognisable_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(DataError, match="2 of the 10 class folders.*data.root"):
        read_esc10(touch(tmp_path / "some", "001 - Dog bark/1-1-A.ogg", "002 - Rain/1-2-A.ogg"))
    with pytest.raises(DataError, match="mine.wav is not named as a clip of ESC-10"):
        read_esc10(touch(make_esc10(tmp_path / "strange"), "001 - Dog bark/mine.wav"))
    emptied = make_esc10(tmp_path / "emptied")
    for path in (emptied / "002 - Rain").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="002 - Rain holds no audio files"):
        read_esc10(emptied)


def make_esc50(root: Path, rows: str, files: tuple[str, ...]) -> Path:
    touch(root, *(f"audio/{name}" for name in files), "meta/esc50.csv")
    make_manifest(root / "meta", "filename,fold,target,category,esc10,src_file,take\n" + rows, "esc50.csv")
    return root


def test_esc50_takes_label_fold_and_source_from_its_table(tmp_path):
    rows = "1-9-A-0.wav,1,0,dog,True,9,A\n2-8-A-1.wav,2,1,chirping_birds,False,8,A\n"
    clips = read_esc50(make_esc50(tmp_path, rows, ("1-9-A-0.wav", "2-8-A-1.wav")))
    assert clips.name == "esc50" and clips.classes == ("dog", "chirping_birds")
    assert [(clip.name, clip.label, clip.source, clip.fold) for clip in clips.clips] == [
        ("audio/1-9-A-0.wav", 0, "9", 1),
        ("audio/2-8-A-1.wav", 1, "8", 2),
    ]


def test_esc50_accepts_an_absent_fold_and_refuses_an_absent_file(tmp_path):
    rows = "a.wav,1,0,dog,True,9,A\nb.wav,2,0,dog,True,8,A\nc.wav,2,1,cat,True,7,A\n"
    assert len(read_esc50(make_esc50(tmp_path / "fold", rows, ("b.wav", "c.wav")))) == 2
    with pytest.raises(DataError, match="c.wav does not exist"):
        read_esc50(make_esc50(tmp_path / "file", rows, ("a.wav", "b.wav")))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.wav,one,0,dog,True,9,A\n", "must be integers"),
        ("a.wav,1,0,dog,True,9,A\na.wav,1,0,cat,True,9,A\n", "both 'dog' and 'cat'"),
        ("a.wav,1,3,dog,True,9,A\n", "count from 0 without a gap"),
    ],
)
def test_esc50_with_a_damaged_table_is_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_esc50(make_esc50(tmp_path, rows, ("a.wav",)))


def test_esc50_without_its_table_is_refused(tmp_path):
    with pytest.raises(DataError, match="esc50.csv does not exist.*data.root"):
        read_esc50(touch(tmp_path, "audio/a.wav"))


def test_a_folder_of_class_folders_is_read_at_any_depth_without_hidden_files(tmp_path):
    root = touch(tmp_path / "birds", "b/2.WAV", "b/deep/er/1.mp3", "a/1.flac")
    touch(root, "b/.hidden.wav", "b/notes.txt", ".git/x.wav", "docs/about.md", "stray.wav")
    clips = read_folder(root)
    assert clips.name == "birds" and clips.classes == ("a", "b")
    assert [clip.name for clip in clips.clips] == ["a/1.flac", "b/2.WAV", "b/deep/er/1.mp3"]
    assert [clip.label for clip in clips.clips] == [0, 1, 1]
    assert all(clip.source is None and clip.fold is None for clip in clips.clips)


def test_a_plain_folder_stays_plain_even_with_names_like_esc(tmp_path):
    clips = read_folder(make_esc10(tmp_path / "esc10"))
    assert clips.name == "esc10-folder" and clips.classes[0] == "001 - Dog bark"
    assert all(clip.source is None and clip.fold is None for clip in clips.clips) and clips.num_published_folds is None


def test_linked_folders_are_followed_and_a_circle_of_links_ends(tmp_path):
    touch(tmp_path / "elsewhere", "1.wav")
    root = touch(tmp_path / "data", "a/1.wav")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "circle").symlink_to(root / "a")
    assert [clip.name for clip in read_folder(root).clips] == ["a/1.wav", "b/1.wav"]


def test_folders_that_cannot_be_a_data_set_are_refused_with_a_remedy(tmp_path):
    (tmp_path / "birds").mkdir()
    with pytest.raises(DataError, match="brids does not exist: data.root.*did you mean .*birds"):
        read_folder(tmp_path / "brids")
    with pytest.raises(DataError, match="no folders with audio files"):
        read_folder(touch(tmp_path / "flat", "1.wav", "2.wav"))
    with pytest.raises(DataError, match="one class only, 'a'"):
        read_folder(touch(tmp_path / "one", "a/1.wav"))
    hollow = touch(tmp_path / "hollow", "a/1.wav", "b/1.wav")
    (hollow / "c").mkdir()
    with pytest.raises(DataError, match="class folder .*c is empty"):
        read_folder(hollow)
    with pytest.raises(DataError, match="is not a folder"):
        read_folder(hollow / "a" / "1.wav")


def test_a_name_that_a_table_cannot_hold_is_written_out_and_its_file_is_found(tmp_path):
    latin1 = os.fsdecode(b"caf\xe9.wav")
    clip_set = read_folder(
        touch(tmp_path / "x", "a/1.wav", "b/new\nline.wav", f"b/{latin1}", "b/犬　می\u200cخواهم.wav")
    )
    names = [clip.name for clip in clip_set.clips]
    assert names == ["a/1.wav", "b/caf\\udce9.wav", "b/new\\nline.wav", "b/犬　می\u200cخواهم.wav"]
    assert all(clip.path.is_file() for clip in clip_set.clips)


def test_data_root_may_be_a_folder_or_a_manifest(tmp_path):
    root = touch(tmp_path / "birds", "a/1.wav", "b/2.wav")
    manifest = make_manifest(tmp_path, "file,label\nbirds/a/1.wav,x\nbirds/b/2.wav,y\n")
    assert read_any_folder(root).classes == ("a", "b")
    assert read_any_folder(manifest).classes == ("x", "y")
    with pytest.raises(DataError, match="none.csv does not exist"):
        read_any_folder(tmp_path / "none.csv")


def test_a_manifest_gives_labels_sources_and_folds(tmp_path):
    touch(tmp_path, "1.wav", "sub/2.wav", "3.wav")
    text = "file,label,source,fold\nsub/2.wav,b,tape 1,10\n\n 1.wav , a ,,2\n3.wav,a,tape 2,9\n"
    clips = read_manifest(make_manifest(tmp_path, text))
    assert clips.name == "birds" and clips.classes == ("a", "b") and clips.num_published_folds == 3
    assert [(clip.name, clip.label, clip.source, clip.fold) for clip in clips.clips] == [
        ("1.wav", 0, None, 1),
        ("3.wav", 0, "tape 2", 2),
        ("sub/2.wav", 1, "tape 1", 3),
    ]


def test_a_manifest_may_come_from_a_spreadsheet_on_windows(tmp_path):
    touch(tmp_path / "clips", "sub/1.wav", "sub/2.wav")
    path = make_manifest(tmp_path, "\ufefffile;label\r\nsub\\1.wav;a\r\nsub\\2.wav;b\r\n")
    assert [clip.name for clip in read_manifest(path, tmp_path / "clips").clips] == ["sub/1.wav", "sub/2.wav"]


def test_a_manifest_without_folds_has_no_published_folds(tmp_path):
    touch(tmp_path, "1.wav", "2.wav")
    clips = read_manifest(make_manifest(tmp_path, "file,label,fold\n1.wav,a,\n2.wav,b,\n"))
    assert clips.num_published_folds is None and clips.clips[0].fold is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,label\n1.wav,a\n", "column 'file' is missing .the nearest is 'filename'.: rename"),
        ("", "column 'file' is missing"),
        ("file,label\n", "lists no clips"),
        ("file,label\n1.wav,\n2.wav,b\n", "line 2: file and label must not be empty"),
        ("file,label\n1.wav,a\n2.wav,b\nx/../1.wav,b\n", "line 4: '1.wav' stands in line 2 already"),
        ("file,label\n1.wav,a\nlost.wav,b\n", "line 3: lost.wav does not exist"),
        ("file,label\n1.wav,a\n2.wav,a\n", "one class only"),
        ("file,label,fold\n1.wav,a,1\n2.wav,b,\n", "line 3: column 'fold' is empty"),
        ("file,label,fold\n1.wav,a,1\n2.wav,b,2\n", "column 'fold' has 2 values .1, 2., at least 3.*data.num_folds"),
    ],
)
def test_a_manifest_with_a_mistake_is_refused_naming_the_place(tmp_path, text, message):
    touch(tmp_path, "1.wav", "2.wav")
    with pytest.raises(DataError, match=message):
        read_manifest(make_manifest(tmp_path, text))


def test_a_manifest_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes("file,label\n1.wav,Hühner\n".encode("cp1252"))
    with pytest.raises(DataError, match="not UTF-8 text .line 2."):
        read_manifest(tmp_path / "x.csv")


def test_all_missing_files_of_a_manifest_are_named_at_once(tmp_path):
    with pytest.raises(DataError) as error:
        read_manifest(make_manifest(tmp_path, "file,label\n1.wav,a\n2.wav,b\n"))
    assert len(str(error.value).splitlines()) == 2
