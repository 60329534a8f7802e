"""Measures, and writes docs/benchmarks.md.

    python -m benchmarks                       all sections, about 20 minutes on an idle machine
    python -m benchmarks step loop             these sections; the others stay in the document as they were
    python -m benchmarks result --studies outputs/esc10-holdout      reads another study than the kept one
    python -m benchmarks --write               only writes the document again
    python -m benchmarks --quick               tiny sizes, to see that everything runs; its figures mean nothing

Sections: floor input step loop sweep result prediction recording growth start. Each is measured in a process of its
own, within a time limit.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks import document
from benchmarks.machine import BUSY, busy_share, environment
from benchmarks.processes import ROOT, end
from benchmarks.section import Options

QUICK_FOLDER = ROOT / "build" / "benchmarks"
GRACE_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parse(arguments)
    results = chosen.results
    if chosen.here:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it started ends with it
        _measure(chosen.names[0], chosen, results)
        return 0
    if not chosen.write:
        with tempfile.TemporaryDirectory() as cache:
            if chosen.quick:
                os.environ["AUDIO_CLS_CACHE"] = cache
                _use_one_thread()
            for name in chosen.names:
                _say(f"{name} ...")
                _measure(name, chosen, results) if chosen.quick else _measure_apart(name, chosen, results)
    found = document.read_results(results)
    _say(f"written to {document.write_document(found, chosen.output)}")
    return 1 if any("error" in found.get(name, {}) for name in chosen.names) else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="sections to measure")
    parser.add_argument("--quick", action="store_true", help=f"tiny sizes; written to {QUICK_FOLDER.relative_to(ROOT)}")
    studies = "folders of studies for `result` (default: the one in results/)"
    parser.add_argument("--studies", nargs="+", type=Path, default=[], help=studies)
    parser.add_argument("--write", action="store_true", help="measure nothing")
    parser.add_argument("--output", type=Path, help="folder of document and numbers (default: docs/ and benchmarks/)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in this process, without a time limit
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in document.SECTIONS]
    if unknown:
        parser.error(f"{unknown[0]} is not a section; choose from {', '.join(document.SECTIONS)}")
    missing = [study for study in chosen.studies if not study.is_dir()]
    if missing:
        parser.error(f"{missing[0]} is not the folder of a study")
    if not chosen.names:
        chosen.names = list(document.SECTIONS)
    folder = chosen.output or (QUICK_FOLDER if chosen.quick else None)
    chosen.output = (folder or ROOT / "docs").resolve()
    chosen.results = folder.resolve() / "results.json" if folder else ROOT / "benchmarks" / "results.json"
    return chosen


def _measure(name: str, chosen: argparse.Namespace, results: Path) -> None:
    """Measures a section in this process and keeps its numbers, or the reason why there are none."""
    options = Options(quick=chosen.quick, studies=tuple(chosen.studies))
    busy = None if chosen.quick else busy_share()
    if busy and busy > BUSY:
        _say(f"the machine is busy ({busy:.0%} of its cores): the figures of {name} will mean little")
    started = time.perf_counter()
    try:
        outcome = {"numbers": document.section(name).measure(options)}
    except Exception as error:
        outcome = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
        _say(f"{name}: {outcome['error']}")
    document.write_result(results, name, {**outcome, **_stamp(time.perf_counter() - started, busy)})


def _measure_apart(name: str, chosen: argparse.Namespace, results: Path) -> None:
    """Measures a section in a process of its own, which ends when its time is up."""
    command = [sys.executable, "-m", "benchmarks", name, "--here", "--output", str(results.parent)]
    command += ["--studies", *map(str, chosen.studies)] if chosen.studies else []
    limit = document.section(name).LIMIT_SECONDS
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=Path.cwd(), start_new_session=True)
    try:
        status = process.wait(timeout=limit)
        reason = f"its process ended with status {status}" if status else None
    except subprocess.TimeoutExpired:
        reason = f"it took longer than {limit:.0f} s"
    finally:
        _stop(process)
    if reason:
        _say(f"{name}: {reason}")
        document.write_result(results, name, {"error": reason, **_stamp(time.perf_counter() - started, None)})


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _stop(process: subprocess.Popen) -> None:
    process.terminate()  # it ends what it has started itself
    try:
        process.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        end(process)


def _stamp(seconds: float, busy: float | None) -> dict[str, object]:
    from audio_cls.results.job_files import code_commit

    return {
        "seconds": seconds,
        "busy": busy,
        "date": date.today().isoformat(),
        "commit": code_commit(),
        "machine": environment(),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler speaks of its own affairs
    sys.exit(main())
