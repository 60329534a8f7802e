import os
import subprocess
import sys
from pathlib import Path

import pytest

from audio_cls.cli.main import main


@pytest.mark.parametrize(
    "arguments",
    [[], ["compare"], ["comapre", "x"], ["compare", "x", "--fold"], ["report", "x", "--folds", "y"]],  # no --output-dir
)
def test_a_wrong_command_line_ends_with_status_2_and_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def modules_after(statement):
    code = f"import sys\ntry:\n {statement}\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return set(result.stderr.split())


def test_help_imports_nothing_heavy():
    heavy = {"torch", "numpy", "lightning", "hydra", "wandb", "rich"}
    assert not heavy & modules_after("from audio_cls.cli.main import main; main(['--help'])")


def test_comparing_imports_neither_torch_nor_lightning(outputs):
    found = modules_after("from audio_cls.cli.main import main; main(['compare', 'esc10-holdout'])")
    assert "audio_cls.analysis.compare" in found
    assert not {"torch", "lightning", "wandb"} & found


@pytest.mark.slow
def test_a_report_on_results_without_checkpoints_imports_neither_torch_nor_lightning(outputs):
    found = modules_after("from audio_cls.cli.main import main; main(['report', 'esc10-holdout'])")
    assert "audio_cls.reports.study.page" in found
    assert not {"torch", "lightning", "wandb"} & found
