"""The suite runs and writes its document. Times are never asserted: they belong to idle machines."""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as suite
from benchmarks import document, machine, processes, result, sweep
from benchmarks.section import BenchmarkError, Options, figures, table
from benchmarks.timing import interleaved, median, ratio

ROOT = Path(__file__).resolve().parents[1]


def record(numbers: dict, **changed: object) -> dict:
    return {"numbers": numbers, "machine": {"cores": "2"}, "commit": "abc", "date": "2026-01-01", "seconds": 1.0} | {
        "busy": None,
        **changed,
    }


def start_numbers(seconds: float) -> dict:
    return {"answers": {"python train.py --help": [seconds]}, "starts": {"none": [3.0]}}


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> Path:
    """The folder that a quick run of every section has written."""
    folder = tmp_path_factory.mktemp("benchmarks")
    command = [sys.executable, "-m", "benchmarks", "--quick", "--output", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AUDIO_CLS_DATA": ""}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_a_quick_run_measures_every_section(quick):
    results = json.loads((quick / "results.json").read_text())
    assert list(results) == list(document.SECTIONS)
    assert not [name for name, found in results.items() if "error" in found]


@pytest.mark.slow
def test_the_document_has_every_section_and_the_picture(quick):
    text = (quick / "benchmarks.md").read_text()
    for number, name in enumerate(document.SECTIONS):
        assert f"\n## {number} {document.section(name).TITLE}\n" in text
        assert f"](#{number}-" in text
    assert "Not measured yet" not in text
    assert (quick / result.PICTURE).stat().st_size > 0


@pytest.mark.slow
def test_the_document_follows_from_the_numbers_alone(quick):
    before = (quick / "benchmarks.md").read_text()
    (quick / "benchmarks.md").unlink()
    assert suite.main(["--write", "--output", str(quick)]) == 0
    assert (quick / "benchmarks.md").read_text() == before


@pytest.mark.slow
def test_the_job_runner_and_the_bare_loop_end_with_the_same_losses(quick):
    # measured only if they do: see benchmarks/loop.py
    seconds = json.loads((quick / "results.json").read_text())["loop"]["numbers"]["seconds"]
    assert len(seconds["runner"]) == len(seconds["bare"]) == 1


def test_a_section_measured_again_leaves_the_others(tmp_path):
    path = tmp_path / "results.json"
    document.write_result(path, "start", record(start_numbers(0.5)))
    document.write_result(path, "floor", record({}, error="no time"))
    document.write_result(path, "start", record(start_numbers(0.7)))
    results = document.read_results(path)
    assert list(results) == ["floor", "start"]
    assert results["start"]["numbers"]["answers"]["python train.py --help"] == [0.7]


def test_a_section_that_could_not_be_measured_says_why(monkeypatch, tmp_path, capsys):
    def fail(_: Options) -> dict:
        raise BenchmarkError("no time")

    monkeypatch.setenv("AUDIO_CLS_CACHE", str(tmp_path))
    monkeypatch.setattr(document, "section", lambda name: SimpleNamespace(TITLE=name, measure=fail))
    assert suite.main(["start", "--quick", "--output", str(tmp_path)]) == 1
    assert "**Could not be measured:** BenchmarkError: no time" in (tmp_path / "benchmarks.md").read_text()
    assert "no time" in capsys.readouterr().err


def test_a_section_that_takes_too_long_is_ended(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(document, "section", lambda name: SimpleNamespace(TITLE=name, LIMIT_SECONDS=0.2))
    started = time.perf_counter()
    assert suite.main(["start", "--output", str(tmp_path)]) == 1
    assert time.perf_counter() - started < 20
    assert "it took longer than 0 s" in (tmp_path / "benchmarks.md").read_text()


def test_targets_stand_at_the_head_and_say_whether_they_are_met():
    text = document.compose({"start": record(start_numbers(1.5))})
    assert "help and mistakes: an answer within 1 s | 1.50 s | **no** |" in text
    assert "the first step within 10 s | 3.0 s | yes |" in text
    assert "Not measured yet: `python -m benchmarks floor`." in text


def test_numbers_of_another_version_do_not_spoil_the_document():
    text = document.compose({"loop": record({"nothing": "known"}), "start": record(start_numbers(0.5))})
    assert "Measured by another version: measure again with `python -m benchmarks loop`." in text
    assert "the first step within 10 s | 3.0 s | yes |" in text


def test_a_busy_or_another_machine_is_told():
    results = {
        "floor": record({}, error="no time", machine={"cores": "64"}),
        "start": record(start_numbers(0.5), busy=0.4),
    }
    text = document.compose(results)
    assert "with cores 64." in text
    assert "**Other processes used 40% of the cores: measure again.**" in text


@pytest.mark.parametrize("arguments", [["stop"], ["result", "--studies", "nowhere"], ["--slow"]])
def test_a_mistake_on_the_command_line_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        suite.main(arguments)
    assert error.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


def test_alternatives_take_turns_and_change_who_is_first():
    calls: list[str] = []

    def slow(name: str):
        def call() -> None:
            calls.append(name)
            time.sleep(0.011)

        return call

    seconds = interleaved({"a": slow("a"), "b": slow("b")}, seconds=0, min_rounds=4)
    assert calls == ["a", "b", *"abbaabba"]
    assert [len(values) for values in seconds.values()] == [4, 4]


def test_short_calls_are_timed_many_at_once_and_rounds_end():
    calls: list[int] = []
    seconds = interleaved({"a": lambda: calls.append(0)}, seconds=60, max_rounds=3)
    assert len(seconds["a"]) == 3
    assert len(calls) > 1000
    assert max(seconds["a"]) < 0.01


def test_a_ratio_is_the_median_over_rounds_with_the_middle_half():
    assert ratio([2, 4, 6, 8, 10], [2, 2, 2, 2, 2]) == ratio([1, 2, 3, 4, 5], [1, 1, 1, 1, 1])
    found = ratio([1, 2, 3, 4, 5], [1, 1, 1, 1, 1])
    assert (found.low, found.median, found.high) == (2, 3, 4)
    assert str(ratio([3], [2])) == "1.50 (1.50 to 1.50)"
    assert median([3, 1, 2]) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0012345, "0.00123"), (1.2345, "1.23"), (99.95, "100"), (12345.6, "12,300"), (-4.2, "-4.2")],
)
def test_figures_have_three_digits(value, text):
    assert figures(value) == text


def test_a_table_has_as_many_cells_in_each_row():
    lines = table(["a", "b"], [["x", 1], ["y", 2]]).splitlines()
    assert lines[1] == "| --- | ---: |"
    assert all(one.count("|") == other.count("|") for one, other in pairwise(lines))


def test_a_command_that_fails_or_lasts_is_an_error():
    with pytest.raises(BenchmarkError, match="ended with status 3: why"):
        processes.run([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"], 20)
    with pytest.raises(BenchmarkError, match="took longer than 0 s"):
        processes.run([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)


@pytest.mark.parametrize("here", [True, False])
def test_a_function_can_be_measured_in_a_process_of_its_own(here):
    found = processes.isolated(machine.resident_mib, limit_seconds=60, here=here)
    assert 0 < found["highest"] < 100_000


def test_train_py_with_a_mistake_is_an_error():
    with pytest.raises(BenchmarkError, match=r"ended with status 2: .*heads=5"):
        processes.train(["data=synthetic", "heads=5"], limit_seconds=20, here=True)


def test_jobs_side_by_side_are_compared_with_one_thread_jobs_in_sequence():
    ways = [
        {"jobs": 1, "threads": 1, "command": [60.0], "training": [50.0]},
        {"jobs": 2, "threads": 1, "command": [40.0], "training": [25.0]},
        {"jobs": 2, "threads": 2, "command": [], "training": [], "error": "took longer than 120 s"},
    ]
    numbers = {"side_by_side": ways, "fixed": {"sizes": [1, 2, 4], "seconds": [6.0, 7.0, 9.0], "wandb": [7.0, 17.0]}}
    side_by_side, cost, growth = sweep.targets(numbers)
    assert (side_by_side.measured, side_by_side.met) == ("2.00 times", True)
    assert (cost.measured, cost.met) == ("1.00 s", True)
    assert growth.met
    text = sweep.describe(numbers)
    assert "| jobs=2 trainer.num_threads=1 | 40.0 s | 25.0 s | 2.00 |" in text
    assert "| jobs=2 trainer.num_threads=2 | more than 120 s |  |  |" in text
    assert "5.0 s to start and 1.00 s a job" in text
    assert "2.00 s for each further job" in text


def write_study(folder: Path, accuracies: list[list[float | None]], epoch_seconds: float = 60.0) -> Path:
    """One variant with a fold for each list of accuracies, epoch by epoch."""
    for fold, values in enumerate(accuracies):
        job = folder / "some" / f"fold{fold}-seed0"
        job.mkdir(parents=True)
        content = {"status": "done", "val": {"accuracy": 1}, "variant": "some", "seed": 0, "fold": fold}
        (job / "metrics.json").write_text(json.dumps({**content, "dataset": "esc10", "num_parameters": 1234}))
        rows = [f"{epoch},{'' if value is None else value},{epoch_seconds}" for epoch, value in enumerate(values)]
        (job / "history.csv").write_text("\n".join(["epoch,val_accuracy,epoch_seconds", *rows]) + "\n")
    return folder


def test_minutes_to_a_mark_count_all_folds_and_use_their_mean(tmp_path):
    study = write_study(tmp_path / "study", [[0.2, 0.8, 0.95], [0.4, 0.9, 0.95]])
    numbers = result.measure(Options(studies=(study,)))
    curve = numbers["variants"]["some"]["curve"]
    assert curve == [(2.0, 0.3), (4.0, 0.85), (6.0, 0.95)]
    assert result.minutes_to(curve, 0.85) == 4.0
    assert result.minutes_to(curve, 0.99) is None
    assert "| some | 1,234 | 2 | 1 | 4.0 | 6.0 | 95.0% | 6.0 |" in result.describe(numbers)


def test_minutes_of_folds_that_were_trained_at_once_count_once(tmp_path):
    study = write_study(tmp_path / "study", [[0.2, 0.8], [0.4, 0.9]])
    for job in study.glob("*/fold*"):
        (job / "config.yaml").write_text("jobs: 2\n")
    assert result.measure(Options(studies=(study,)))["variants"]["some"]["curve"] == [(1.0, 0.3), (2.0, 0.85)]


def test_epochs_without_validation_only_cost_time(tmp_path):
    study = write_study(tmp_path / "study", [[None, 0.5, None, 0.9]])
    curve = result.measure(Options(studies=(study,)))["variants"]["some"]["curve"]
    assert curve == [(2.0, 0.5), (4.0, 0.9)]


def test_a_folder_without_finished_jobs_gives_no_curve(tmp_path):
    with pytest.raises(BenchmarkError, match="no finished job with validation clips"):
        result.measure(Options(studies=(tmp_path,)))
