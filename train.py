"""Trains classifiers of sound, one job for each fold.

    python train.py                                      the default transformer on fold 0
    python train.py model=transformer heads=1,2,4 -m     every fold of three variants, compared
    python train.py data=folder data.root=my_sounds -m   your own recordings

Exit status: 0 all well; 1 bad data or a failed job; 2 a mistake in the configuration; 130 and 143 for Ctrl-C and
SIGTERM.
"""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from audio_cls.config.location import conf_dir
from audio_cls.experiment import launch


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
def train(_: DictConfig) -> None:
    """One job. Its configuration is composed again from the overrides, with the checks that Hydra does not make."""
    context = HydraConfig.get()
    launch.run(context.overrides.task, 0 if context.mode.name == "RUN" else context.job.num)


def main() -> int:
    arguments = sys.argv[1:]
    if launch.asks_hydra(arguments):
        launch.check_question(arguments, conf_dir())
        train()
        return 0
    plan = launch.prepare(arguments, conf_dir())
    sys.argv[1:] = plan.hydra_arguments
    return max(launch.attempt(train), launch.finish(plan))


if __name__ == "__main__":
    sys.exit(main())
