import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb


@pytest.fixture(autouse=True)
def _machine_without_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No key, no settings, no cache of the user's; nothing that a test sets in the environment survives it."""
    for name in [*os.environ, "WANDB_MODE", "WANDB_HTTP_TIMEOUT", "WANDB_ERROR_REPORTING"]:
        if name.startswith("WANDB_"):
            monkeypatch.setenv(name, "")  # so that it is restored, should the code set it
            monkeypatch.delenv(name)
    for name in ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "AUDIO_CLS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.chdir(tmp_path)
    yield
    wandb.teardown()
