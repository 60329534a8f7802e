"""Manifests: what a CSV file says of clips, and what is written as one."""

import pytest
from support.sound_names import make_manifest, touch

from audio_cls.data import formats
from audio_cls.data.clips import DataError
from audio_cls.data.manifest import write_manifest
from audio_cls.data.sources import read_any_folder, read_folder, read_manifest

HEADER = "file,label,split\n"


def read(folder, text):
    touch(folder, *(f"{number}.wav" for number in range(1, 7)))
    return read_manifest(make_manifest(folder, text))


@pytest.mark.parametrize("column", ["fold", "split", "Split"])
def test_roles_are_taken_from_the_column_fold_or_split(tmp_path, column):
    clips = read(tmp_path, f"file,label,{column}\n1.wav,a,train\n2.wav,b,Train\n3.wav,a,dev\n4.wav,b,test\n")
    assert clips.has_roles and [clip.fold for clip in clips.clips] == [1, 1, 2, 3]
    assert clips.num_published_folds is None
    assert clips.notes[0].endswith("3 train (Train, train), 1 val (dev), 1 test".replace("3 train", "2 train"))


def test_columns_that_contradict_each_other_are_refused(tmp_path):
    rows = "1.wav,a,1,train\n2.wav,b,2,val\n3.wav,a,3,test\n"
    with pytest.raises(DataError, match="one of the columns fold and split says folds, the other roles"):
        read(tmp_path, f"file,label,fold,split\n{rows}")


def test_columns_that_are_not_used_are_said_with_the_one_that_was_meant(tmp_path):
    rows = "1.wav,a,s1\n2.wav,b,s2\n"
    (note,) = read(tmp_path, f"file,label,notes\n{rows}").notes
    assert note == "column 'notes' is not used; columns that are: file, label, source, fold, split"
    (note,) = read(tmp_path, f"file,label,Sources\n{rows}").notes
    assert note == "column 'Sources' is not used; did you mean source?"
    clips = read(tmp_path, f"File,LABEL,Source\n{rows}")
    assert clips.notes == () and clips.clips[0].source == "s1"


def test_labels_that_are_numbers_are_in_their_order(tmp_path):
    assert read(tmp_path, "file,label\n1.wav,10\n2.wav,2\n3.wav,0\n").classes == ("0", "2", "10")


def test_labels_and_sources_that_look_alike_are_noted(tmp_path):
    touch(tmp_path, "1.wav", "2.wav")
    clips = read_any_folder(make_manifest(tmp_path, "file,label,source\n1.wav,dog,t\n2.wav,Dog,T\n"))
    assert clips.classes == ("Dog", "dog")
    assert [note.split()[0] for note in clips.notes] == ["classes", "sources"]


def test_files_that_are_spelled_otherwise_on_disk_are_found_and_said(tmp_path):
    touch(tmp_path, "A/x.WAV", "cafe\u0301.wav")
    clips = read_manifest(make_manifest(tmp_path, "file,label\na/X.wav,a\ncaf\xe9.wav,b\n"))
    assert [clip.name for clip in clips.clips] == ["A/x.WAV", "cafe\u0301.wav"]
    assert clips.notes == (
        "2 files are written in another case or Unicode form than their name on disk (first: 'a/X.wav', which is "
        "'A/x.WAV')",
    )
    with pytest.raises(DataError, match="line 3: 'A/x.WAV' stands in line 2 already"):
        read_manifest(make_manifest(tmp_path, "file,label\na/x.wav,a\nA\\x.wav,b\n"))


def test_paths_may_be_absolute_lead_up_or_to_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    touch(tmp_path, "1.wav", "home/2.wav", "sub/x", "3.wav")
    text = f"file,label\n{tmp_path}/1.wav,a\n~/2.wav,b\n../3.wav,a\n"
    clips = read_manifest(make_manifest(tmp_path / "sub", text))
    assert [clip.path.name for clip in clips.clips] == ["1.wav", "3.wav", "2.wav"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file,label\nhttps://x.org/1.wav,a\n2.wav,b\n", "line 2: 'https://x.org/1.wav' is an address"),
        ("file,label\nfile:///1.wav,a\n2.wav,b\n", "line 2: 'file:///1.wav' is an address"),
        ("file,label\n.,a\n2.wav,b\n", "line 2: . is a folder: list its files"),
        (HEADER + "1.wav,a,train\n2.wav,b,extra\n", "line 3: column 'split' says 'extra'"),
        (
            "file,label\n" + "".join(f"x{i}.wav,a\n" for i in range(9)),
            "none of its 9 files exists; the first is .*x0.wav",
        ),
    ],
)
def test_what_names_no_clip_is_refused(tmp_path, text, problem):
    with pytest.raises(DataError, match=problem):
        read(tmp_path, text)


def test_listed_sounds_that_need_a_decoder_are_all_named_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "decoder_installed", lambda: False)
    touch(tmp_path, "x.m4a", "y.m4a", "z.wma")
    with pytest.raises(DataError, match="2 .m4a and 1 .wma files .* need a decoder"):
        read(tmp_path, "file,label\n1.wav,a\nx.m4a,b\ny.m4a,b\nz.wma,b\n")


@pytest.mark.parametrize("place", ["clips.csv", "sounds/clips.csv", "other/clips.csv"])
def test_a_written_manifest_reads_as_the_same_clips(tmp_path, place):
    names = [
        f"{part}/{name}/{take}_x.wav" for part in ("train", "test") for name in ('=1+2, "man"', "雨") for take in "ab"
    ]
    root = touch(tmp_path / "sounds", *names)
    clips = read_any_folder(root, source="{source}_*")
    (tmp_path / "other").mkdir()
    write_manifest(clips, tmp_path / place)
    again = read_any_folder(tmp_path / place)
    assert again.classes == clips.classes and again.has_roles
    assert [(c.path, c.label, c.source, c.fold) for c in again.clips] == [
        (c.path, c.label, c.source, c.fold) for c in clips.clips
    ]
    assert again.clips[0].path.is_relative_to(tmp_path) and (tmp_path / place).read_bytes()[:3] == b"\xef\xbb\xbf"
    with pytest.raises(FileExistsError):
        write_manifest(clips, tmp_path / place)


def test_names_that_a_table_cannot_hold_are_not_written(tmp_path):
    clips = read_folder(touch(tmp_path, "cat/1.wav", "dog/1\n.wav", "dog/\x1b.wav"))
    with pytest.raises(DataError, match="^2 clips have characters in their path that a CSV file cannot hold .dog/"):
        write_manifest(clips, tmp_path / "clips.csv")
    assert not (tmp_path / "clips.csv").exists()


def test_a_class_that_a_table_cannot_hold_is_not_written(tmp_path):
    clips = read_folder(touch(tmp_path, "dog /1.wav", "dog/1.wav"))
    with pytest.raises(DataError, match="'dog ' begins or ends with a blank"):
        write_manifest(clips, tmp_path / "clips.csv")
    assert not (tmp_path / "clips.csv").exists()


def test_clips_are_named_alike_however_the_path_to_the_list_is_written(tmp_path):
    (tmp_path / "inner").mkdir()
    text = "file,label\n1.wav,a\n2.wav,b\n"
    names = [[clip.name for clip in read(folder, text).clips] for folder in (tmp_path, tmp_path / "inner" / "..")]
    assert names == [["1.wav", "2.wav"]] * 2
