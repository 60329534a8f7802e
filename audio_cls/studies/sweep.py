"""What a sweep says about itself: the jobs before it starts, the comparison when it is over."""

import sys
from pathlib import Path

from audio_cls.studies import results
from audio_cls.studies.plan import Plan


def announcement(plan: Plan) -> str:
    """How many jobs there are and which are done."""
    done = [job for job in plan.jobs if results.is_done(job)]
    variants = list(dict.fromkeys(job.variant for job in plan.jobs))
    folds = sorted({job.config.fold for job in plan.jobs})
    seeds = sorted({job.config.seed for job in plan.jobs})
    return (
        f"{len(plan.jobs)} jobs: {', '.join(variants)} | folds {', '.join(map(str, folds))} | seeds {', '.join(map(str, seeds))}"
        f" | {len(done)} done already"
    )


def report(plan: Plan) -> None:
    """Compares the variants of each study that the sweep touched."""
    from audio_cls.studies.compare import print_summary, write_summary

    for study in dict.fromkeys(Path(job.config.output_dir) / job.study for job in plan.jobs):
        print_summary(write_summary(study))
        print(f"written to {study / 'summary.md'}", file=sys.stderr)
