"""Training from the command line: what `python train.py ARGS` and `audio-cls train ARGS` do."""

import sys
from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from audio_cls import __version__
from audio_cls.config.location import conf_dir
from audio_cls.experiment import launch
from audio_cls.terminal import answer, open_terminal


def main(arguments: Sequence[str]) -> int:
    """Trains the jobs that the arguments stand for, or answers a question; returns the exit status.

    Ends the process for a mistake in the arguments.
    """
    open_terminal(lasting=True)  # a pipe that closes must not cost what was trained
    if "--version" in arguments:
        answer(f"audio_cls {__version__}")
        return 0
    if launch.asks_hydra(arguments):
        launch.check_question(arguments, conf_dir())
        sys.argv[1:] = arguments
        _train()
        return 0
    plan = launch.prepare(arguments, conf_dir())
    sys.argv[1:] = plan.hydra_arguments
    return max(launch.attempt(_train), launch.finish(plan, arguments))


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
def _train(_: DictConfig) -> None:
    """One job. Its configuration is composed again from the overrides, with the checks that Hydra does not make."""
    context = HydraConfig.get()
    launch.run(context.overrides.task, context.job.num if context.mode == RunMode.MULTIRUN else 0)
