"""What every test starts from, on any machine: one thread, nothing of the user's settings, a cache of its own."""

import os
from collections.abc import Iterator

import pytest

# Before torch is imported, also by the processes that tests start. Two threads are as good: OMP_NUM_THREADS=2.
os.environ.setdefault("OMP_NUM_THREADS", "1")
SETTINGS = ("AUDIO_CLS_", "WANDB_", "HYDRA_")


@pytest.fixture(scope="session", autouse=True)
def _machine_without_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No variable of the user's leads to other data or to an account; decoded clips go into a folder of the session."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(SETTINGS)]:
            patch.delenv(name)
        patch.setenv("AUDIO_CLS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def coarse_figures() -> Iterator[None]:
    """A job's figures have few pixels: in full size, drawing takes longer than training a tiny job."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audio_cls.figures.job.DPI", 40)
        yield
