"""Steps the sweep files of conf/wandb with W&B's own sweep engine, and writes down every combination that it chooses.

The engine (package `sweeps`) wants numpy < 2, so it lives in an environment of its own, and its choices in a file that
the tests read: `make sweeps-check` builds that environment, runs this script again and fails if anything differs.

    python tests/support/step_sweeps.py            writes tests/support/data/sweep_combinations.json
    python tests/support/step_sweeps.py --check    compares with it
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
import yaml
from sweeps import SweepConfig, SweepRun, next_run, schema_violations_from_proposed_config, stop_runs
from sweeps.run import RunState

FOLDER = Path(__file__).resolve().parents[2] / "conf" / "wandb"
WRITTEN = Path(__file__).resolve().parent / "data" / "sweep_combinations.json"
NUM_SEARCHED = 40


def made_up_accuracy(values: dict) -> float:
    """A smooth function with its best learning rate inside the range, so that the search has something to find."""
    return (
        0.9
        - 0.1 * abs(np.log10(values.get("optimizer.lr", 1e-3)) + 2.8)
        - 0.2 * abs(values.get("model.dropout", 0) - 0.1)
    )


def combinations(sweep: dict) -> list[dict]:
    """The hyper-parameters of the sweep's runs, in the order in which the engine hands them out."""
    random.seed(0)
    np.random.seed(0)  # the engine draws from it
    runs: list[SweepRun] = []
    while len(runs) < sweep.get("run_cap", NUM_SEARCHED * 10):
        run = next_run(SweepConfig(sweep), runs)
        if run is None:
            break
        values = {key: config["value"] for key, config in run.config.items()}
        run.state, accuracy = RunState.finished, float(made_up_accuracy(values))
        run.summary_metrics, run.history = {"val_accuracy": accuracy}, [{"val_accuracy": accuracy}]
        runs.append(run)
    return [{key: config["value"] for key, config in run.config.items()} for run in runs]


def early_stopped(sweep: dict) -> list[str]:
    """Which of three running jobs the engine stops after ten epochs: a good, a middling and a bad one."""
    if "early_terminate" not in sweep:
        return []
    runs = [
        SweepRun(name=name, state=RunState.running, history=[{"val_accuracy": accuracy}] * 10, config={})
        for name, accuracy in (("good", 0.9), ("middling", 0.6), ("bad", 0.2))
    ]
    return sorted(run.name for run in stop_runs(SweepConfig(sweep), runs))


def differ(new: dict | None, old: dict | None) -> bool:
    """Whether the sweep is another one. What a search chooses may vary with the machine, what it chooses from not."""
    if new is None or old is None:
        return True
    if new["method"] != "grid" and len(new["combinations"]) == len(old["combinations"]):
        new = {**new, "combinations": old["combinations"]}
    return new != old


def main() -> int:
    stepped = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        sweep = yaml.safe_load(path.read_text())
        if violations := schema_violations_from_proposed_config(sweep):
            print(f"{path.name} is not a sweep of W&B's: {'; '.join(violations)}")
            return 1
        stepped[path.name] = {
            "method": sweep["method"],
            "parameters": sweep["parameters"],
            "violations": violations,
            "combinations": combinations(sweep),
            "early_stopped": early_stopped(sweep),
        }
    if "--check" not in sys.argv:
        WRITTEN.parent.mkdir(exist_ok=True)
        WRITTEN.write_text(json.dumps(stepped, indent=1) + "\n")
        return 0
    written = json.loads(WRITTEN.read_text())
    names = stepped.keys() | written.keys()
    differing = sorted(name for name in names if differ(stepped.get(name), written.get(name)))
    if differing:
        print(f"W&B's engine steps {', '.join(differing)} differently now; run this without --check, and look at it")
        return 1
    print("sweep files are valid, and W&B's engine steps them as written down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
