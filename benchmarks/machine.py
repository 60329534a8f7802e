"""The machine and the versions that figures belong to, and whether the machine was busy with something else."""

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "torchaudio", "lightning", "numpy", "soundfile")
BUSY = 0.1  # of all cores: more, and times mean little


def environment() -> dict[str, str]:
    """What is shown at the head of the document."""
    import torch

    return {
        "CPU": _cpu_name(),
        "cores": str(os.cpu_count()),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "memory": _memory(),
        "system": f"{platform.system()} on {platform.machine()}",
        "Python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def busy_share(seconds: float = 1.0) -> float | None:
    """How much of all cores others use while this process sleeps, 0 to 1; None where the system does not say."""
    before = _processor_times()
    time.sleep(seconds)
    after = _processor_times()
    if before is None or after is None:
        return None
    total = sum(after) - sum(before)
    idle = after[3] + after[4] - before[3] - before[4]
    return 1 - idle / total if total else 0.0


def resident_mib() -> dict[str, float]:
    """Memory of this process in MiB: resident, of that anonymous and of files, and the highest so far."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        scale = 2**20 if sys.platform == "darwin" else 2**10
        return {"highest": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale}
    names = {"VmRSS": "resident", "RssAnon": "anonymous", "RssFile": "files", "VmHWM": "highest"}
    lines = (line.split() for line in status.read_text().splitlines())
    return {names[key[:-1]]: int(value[0]) / 1024 for key, *value in lines if key[:-1] in names}


def _processor_times() -> list[int] | None:
    try:
        first = Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return None
    return [int(value) for value in first.split()[1:9]]  # user nice system idle iowait irq softirq steal


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (ValueError, OSError, AttributeError):
        return "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
