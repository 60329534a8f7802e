"""Whether runs of Weights & Biases are online: found out once for all jobs, before they start. Knows no Lightning."""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from audio_cls.terminal import say
from audio_cls.wording import one_line

REQUEST_SECONDS = 5  # for one request; wandb's own 20 s would make a server that is lost later cost a minute
SERVICE_SECONDS = 12  # for wandb's own process to send the rest and end


def find_mode(mode: str, studies: Sequence[Path]) -> None:
    """Tries the server once, before the jobs start, and says where runs will be if not online.

    `mode` is logger.mode. The jobs, also those in processes of their own, find the answer in WANDB_MODE.
    """
    set_up()
    found, reason = resolve_mode(mode, try_server=True)
    if found == "online":
        return
    drop_service()  # it may have half a login
    os.environ["WANDB_MODE"] = found
    later = "" if found == "disabled" else "".join(f"; upload later with `{sync_command(study)}`" for study in studies)
    say(f"W&B: {'off' if found == 'disabled' else found} ({reason}){later}")


def resolve_mode(mode: str, *, try_server: bool = False) -> tuple[str, str | None]:
    """'online', 'offline' or 'disabled', and why it is not online: no key, or none that the server accepts."""
    import wandb

    wanted = (os.environ.get("WANDB_MODE") or "auto").replace("dryrun", "offline")
    if wanted in ("offline", "disabled"):
        return wanted, f"WANDB_MODE={os.environ['WANDB_MODE']}"
    if wanted == "auto" and mode == "offline":
        return "offline", "logger.mode=offline"
    try:
        has_key = wandb.login(prompt=False, verify=try_server)
    except Exception as error:
        return "offline", one_line(error)
    return ("online", None) if has_key else ("offline", "no key: `wandb login` stores one")


def set_up() -> None:
    """Limits what wandb may wait for; one line of ours replaces its many."""
    import wandb

    os.environ.setdefault("WANDB_HTTP_TIMEOUT", str(REQUEST_SECONDS))
    # wandb's reports on itself go to the same server: one that does not answer would hold up the end of the process.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    wandb.setup(settings=wandb.Settings(silent=True))


def sync_command(study_folder: Path) -> str:
    """Uploads the offline runs of a study."""
    return f"wandb sync {study_folder}/*/*/wandb/offline-run-*"


def drop_service(exit_code: int = 1) -> None:
    """Ends wandb's own process with all of its runs; the next run starts another."""
    import wandb

    def tear_down() -> None:
        with suppress(Exception):  # it may be gone
            wandb.teardown(exit_code=exit_code)

    # wandb waits without a limit for its process to end, which on a busy machine did not end at all.
    ending = threading.Thread(target=tear_down, daemon=True)
    ending.start()
    ending.join(SERVICE_SECONDS)
    set_up()
