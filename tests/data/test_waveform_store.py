import json
import os
import pickle
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_cls.data import array_file, content
from audio_cls.data.cache import default_cache_dir
from audio_cls.data.clips import Clip, ClipSet, DataError
from audio_cls.data.sources import read_folder
from audio_cls.data.synthetic import SAMPLE_RATE, synthesize, synthetic_clips
from audio_cls.data.waveform_store import WaveformStore, open_store

RATE = 8_000


def make_folder(root: Path, lengths=(100, 2500, 1, 8000)) -> ClipSet:
    random = np.random.default_rng(0)
    for index, length in enumerate(lengths):
        path = root / "ab"[index % 2] / f"{index}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * random.standard_normal(length), RATE, subtype="FLOAT")
    return read_folder(root)


@pytest.fixture
def clips(tmp_path) -> ClipSet:
    return make_folder(tmp_path / "data")


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch) -> list[Path]:
    """The paths of the files that are decoded, in no order."""
    paths, real = [], content.read_audio
    monkeypatch.setattr(content, "read_audio", lambda path, *most: (paths.append(path), real(path, *most))[1])
    return paths


def waveforms_of(clips: ClipSet) -> list[np.ndarray]:
    return [soundfile.read(clip.path, dtype="float32")[0] for clip in clips.clips]


def test_the_store_holds_every_waveform_in_the_order_of_the_clips(clips, cache):
    store = open_store(clips, RATE, cache)
    assert len(store) == len(clips) and store.sample_rate == RATE and store.lengths.dtype == np.int64
    for index, expected in enumerate(waveforms_of(clips)):
        assert np.array_equal(store.waveform(index), expected) and store.lengths[index] == len(expected)


def test_a_second_opening_decodes_nothing(clips, cache, decoded):
    open_store(clips, RATE, cache)
    assert sorted(decoded) == sorted(clip.path for clip in clips.clips)
    decoded.clear()
    open_store(clips, RATE, cache)
    assert decoded == []


def test_the_store_is_built_anew_when_a_file_or_the_rate_changes(clips, cache, decoded):
    open_store(clips, RATE, cache)
    decoded.clear()
    assert open_store(clips, 2 * RATE, cache).lengths.sum() == 2 * open_store(clips, RATE, cache).lengths.sum()
    assert len(decoded) == len(clips)
    decoded.clear()
    os.utime(clips.clips[0].path, ns=(1, 1))
    open_store(clips, RATE, cache)
    assert len(decoded) == len(clips)


def test_data_sets_with_equal_names_sizes_and_times_do_not_share_a_store(tmp_path, cache):
    sets = []
    for index, name in enumerate(("one", "other")):
        for label in "ab":
            path = tmp_path / name / "data" / label / "0.wav"
            path.parent.mkdir(parents=True)
            soundfile.write(path, np.full(10, 0.1 * index), RATE)
            os.utime(path, ns=(0, 0))
        sets.append(read_folder(tmp_path / name / "data"))
    stores = [open_store(clips, RATE, cache) for clips in sets]
    assert stores[0].waveform(0)[0] == 0 and stores[1].waveform(0)[0] == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize("damage", ["shorter waveforms", "no index", "index not json", "index of other clips"])
def test_a_damaged_store_is_built_anew(clips, cache, damage):
    folder = open_store(clips, RATE, cache).folder
    if damage == "shorter waveforms":
        os.truncate(folder / "floats.f32", 40)
    elif damage == "no index":
        (folder / "index.json").unlink()
    elif damage == "index not json":
        (folder / "index.json").write_text("{")
    else:
        (folder / "index.json").write_text(json.dumps({"sample_rate": RATE, "lengths": [10]}))
        os.truncate(folder / "floats.f32", 40)
    assert np.array_equal(open_store(clips, RATE, cache).waveform(3), waveforms_of(clips)[3])


def test_what_a_killed_build_left_behind_does_not_matter(clips, cache):
    folder = open_store(clips, RATE, cache).folder
    folder.rename(folder.with_name(f".{folder.name}.partial"))
    assert len(open_store(clips, RATE, cache)) == len(clips)
    assert sorted(path.suffix for path in folder.parent.iterdir()) in ([""], ["", ".lock"])


def test_all_bad_files_are_named_at_once_with_reasons_and_nothing_is_kept(tmp_path, cache):
    root = tmp_path / "data"
    clips = make_folder(root, lengths=[3000] * 12)
    (root / "a" / "0.wav").write_bytes(b"")
    (root / "b" / "1.wav").write_text("no sound")
    os.truncate(root / "a" / "2.wav", 2000)
    soundfile.write(root / "b" / "11.wav", np.full(10, np.nan), RATE, subtype="FLOAT")
    (root / "a" / "4.wav").unlink()
    with pytest.raises(DataError) as error:
        open_store(clips, RATE, cache)
    first, *lines = str(error.value).splitlines()
    assert first.startswith("5 of 12 clips of data cannot be used")
    assert [line.split(":")[0] for line in lines] == ["a/0.wav", "a/2.wav", "a/4.wav", "b/1.wav", "b/11.wav"]
    assert [line.split(": ")[1] for line in lines] == ["empty", "truncated", "unreadable", "unreadable", "not finite"]
    assert all(path.suffix == ".lock" for path in (cache / "stores").iterdir())


def test_a_build_that_is_interrupted_leaves_nothing(clips, cache, monkeypatch):
    monkeypatch.setattr(array_file.os, "fsync", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        open_store(clips, RATE, cache)
    assert all(path.suffix == ".lock" for path in (cache / "stores").iterdir())


def test_a_full_disk_is_an_error_that_names_the_remedy(clips, cache, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(array_file.os, "fsync", full)
    with pytest.raises(DataError, match="No space left.*AUDIO_CLS_CACHE"):
        open_store(clips, RATE, cache)


def test_nothing_is_written_into_the_data(clips, tmp_path, cache):
    before = sorted(path for path in clips.root.rglob("*"))
    open_store(clips, RATE, cache)
    assert sorted(path for path in clips.root.rglob("*")) == before
    with pytest.raises(DataError, match="lies inside the data .*: set AUDIO_CLS_CACHE"):
        open_store(clips, RATE, clips.root / "cache")
    open_store(clips, RATE, clips.root / ".cache")


def test_the_cache_folder_can_be_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIO_CLS_CACHE", str(tmp_path / "mine"))
    assert default_cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("AUDIO_CLS_CACHE")
    assert default_cache_dir().name == "audio_cls"


def test_a_build_looks_only_a_few_clips_ahead(tmp_path, cache, monkeypatch):
    clips = make_folder(tmp_path / "data", lengths=[10] * 40)
    lock, begun, written, most = threading.Lock(), 0, 0, 0
    real_read = content.read_audio

    def counting_read(path, max_frames):
        nonlocal begun, most
        with lock:
            begun += 1
            most = max(most, begun - written)
        recording = real_read(path, max_frames)
        return replace(recording, waveform=recording.waveform.view(CountingArray))

    class CountingArray(np.ndarray):
        def tobytes(self):
            nonlocal written
            written += 1
            return super().tobytes()

    monkeypatch.setattr(content, "read_audio", counting_read)
    monkeypatch.setattr(array_file.os, "cpu_count", lambda: 3)
    open_store(clips, RATE, cache)
    assert written == 40 and most <= array_file.AHEAD * 3 + 1


def expected_crop(waveform: np.ndarray, start: int, num_samples: int) -> np.ndarray:
    padded = np.concatenate([np.zeros(20_000), waveform, np.zeros(20_000)]).astype(np.float32)
    return padded[20_000 + start : 20_000 + start + num_samples]


def test_crops_are_cut_from_their_clip_and_padded_with_zeros_on_either_side(clips, cache):
    store, waveforms = open_store(clips, RATE, cache), waveforms_of(clips)
    random = np.random.default_rng(0)
    for num_samples in (1, 500, 9000):
        indices = random.integers(len(clips), size=50)
        starts = random.integers(-10_000, 10_000, size=50)
        crops = store.crops(indices, starts, num_samples)
        assert crops.shape == (50, num_samples) and crops.dtype == np.float32
        for crop, index, start in zip(crops, indices, starts, strict=True):
            assert np.array_equal(crop, expected_crop(waveforms[index], start, num_samples))
    assert store.crops(np.array([], int), np.array([], int), 10).shape == (0, 10)


def test_crops_are_the_same_where_the_system_cannot_read_into_a_buffer(clips, cache, monkeypatch):
    store = open_store(clips, RATE, cache)
    indices, starts = np.array([3, 1, 0, 2]), np.array([-50, 20, 90, 0])
    expected = store.crops(indices, starts, 500)
    monkeypatch.delattr(os, "preadv")
    assert np.array_equal(store.crops(indices, starts, 500), expected)
    assert np.array_equal(store.waveform(3), waveforms_of(clips)[3])


def test_reads_that_return_less_than_was_asked_for_are_repeated(clips, cache, monkeypatch):
    store, real = open_store(clips, RATE, cache), os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, buffers, place: real(file, [buffers[0][:1000]], place))
    assert np.array_equal(store.crops(np.array([3]), np.array([0]), 8000)[0], store.waveform(3))


def test_a_store_that_is_cut_short_in_use_is_an_error(clips, cache):
    store = open_store(clips, RATE, cache)
    os.truncate(store.folder / "floats.f32", 4096)
    with pytest.raises(DataError, match="was cut short while it was in use: delete it"):
        store.crops(np.array([3]), np.array([0]), 8000)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_looking_at_clips_does_not_make_the_store_part_of_the_process(tmp_path, cache):
    def resident_kib() -> int:
        return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])

    clips = make_folder(tmp_path / "data", lengths=[2_000_000] * 4)  # 32 MB
    store = open_store(clips, RATE, cache)
    before = resident_kib()
    for start in range(0, 2_000_000, 10_000):
        store.crops(np.arange(4), np.full(4, start), 10_000)
    for index in range(4):
        store.waveform(index)
    assert resident_kib() - before < 8_000


def test_clips_that_are_not_there_are_refused(clips, cache):
    store = open_store(clips, RATE, cache)
    for index in (-1, len(clips)):
        with pytest.raises(IndexError, match="the store holds clips 0 to 3"):
            store.crops(np.array([index]), np.array([0]), 10)
        with pytest.raises(IndexError, match="the store holds clips 0 to 3"):
            store.waveform(index)


def test_crops_are_the_callers_own_and_the_store_cannot_be_written(clips, cache):
    store = open_store(clips, RATE, cache)
    store.crops(np.array([3]), np.array([0]), 10)[:] = 7
    assert store.waveform(3).max() < 1
    with pytest.raises(ValueError):
        store.waveform(3)[0] = 7


def test_a_store_is_handed_to_another_process_by_its_path(clips, cache):
    store = open_store(clips, RATE, cache)
    handed = pickle.dumps(store)
    assert len(handed) < 1000
    assert np.array_equal(pickle.loads(handed).waveform(3), store.waveform(3))


def test_two_processes_may_open_the_same_store_at_once(clips, cache, tmp_path):
    code = (
        "import sys; from pathlib import Path; from audio_cls.data.sources import read_folder; "
        "from audio_cls.data.waveform_store import open_store; "
        "print(open_store(read_folder(Path(sys.argv[1])), int(sys.argv[3]), Path(sys.argv[2])).lengths.sum())"
    )
    command = [sys.executable, "-c", code, str(clips.root), str(cache), str(RATE)]
    jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [job.communicate() for job in jobs]
    assert [out for out, _ in outputs] == ["10601\n"] * 2
    assert [err for _, err in outputs] == [""] * 2  # no bar where there is no terminal


@pytest.mark.parametrize("name", ["synthetic", "mine"])
def test_synthetic_clips_are_made_not_read_under_any_name(cache, decoded, name):
    clips = synthetic_clips(clips_per_class=5)
    clips = ClipSet(name, clips.root, clips.classes, clips.clips[::10])
    store = open_store(clips, SAMPLE_RATE, cache)
    assert decoded == [] and np.array_equal(store.waveform(2), synthesize(clips.clips[2]))
    assert open_store(clips, RATE, cache).lengths[0] == 40_000


def test_a_damaged_folder_is_not_opened_as_a_store(tmp_path):
    said = {"digests": 32 * "0", "silent": [], "constant": [], "cancelled": [], "notes": {}}
    (tmp_path / "index.json").write_text(json.dumps({"sample_rate": 1, "lengths": [3], **said}))
    (tmp_path / "floats.f32").write_bytes(bytes(8))
    with pytest.raises(ValueError, match="8 bytes, its index says 12"):
        WaveformStore(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"sample_rate": 1, "lengths": [1, 1], **said}))
    with pytest.raises(ValueError, match="digests of 1 clips and lengths of 2"):
        WaveformStore(tmp_path)


def test_a_clip_that_vanished_is_named(tmp_path, cache):
    clips = ClipSet("x", tmp_path / "data", ("a", "b"), (Clip(tmp_path / "data/gone.wav", "gone.wav", 0),))
    with pytest.raises(DataError, match="gone.wav: unreadable: No such file"):
        open_store(clips, RATE, cache)


def test_a_clip_too_large_for_the_memory_is_named(clips, cache, monkeypatch):
    monkeypatch.setattr(content, "read_audio", lambda *_: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(DataError, match="a/0.wav: unreadable: MemoryError"):
        open_store(clips, RATE, cache)


def test_a_short_clip_begins_anew_after_zeros_up_to_the_shortest_period(clips, cache):
    store = open_store(clips, RATE, cache)
    assert store.lengths.tolist() == [100, 1, 2500, 8000]
    crops = store.circular_crops(np.array([0, 1]), np.array([90, 7]), 400, min_period=150)
    for loop, index, start in zip(crops, (0, 1), (90, 7), strict=True):
        clip = waveforms_of(clips)[index]
        period = np.concatenate([clip, np.zeros(150 - len(clip), np.float32)])
        assert np.array_equal(loop, np.take(period, np.arange(start, start + 400), mode="wrap"))


@pytest.mark.parametrize(
    ("start", "num_samples"), [(0, 10), (0, 6_000), (2_390, 400), (2_419, 10), (2_425, 400), (5_000, 6_000)]
)
def test_a_clips_end_is_faded_into_its_beginning(clips, cache, start, num_samples):
    store = open_store(clips, RATE, cache)
    clip, fade = waveforms_of(clips)[2], np.sin(np.linspace(0, np.pi / 2, RATE // 100))
    period = clip[:-80].copy()  # 10 ms
    period[:80] = fade * clip[:80] + fade[::-1] * clip[-80:]
    (loop,) = store.circular_crops(np.array([2]), np.array([start]), num_samples, min_period=1_000)
    expected = np.take(period, np.arange(start, start + num_samples), mode="wrap")
    np.testing.assert_allclose(loop, expected, atol=1e-6)


def test_a_loop_without_a_clip_of_that_index_is_refused(clips, cache):
    with pytest.raises(IndexError, match="clips 4 to 4"):
        open_store(clips, RATE, cache).circular_crops(np.array([4]), np.array([0]), 10, min_period=10)
