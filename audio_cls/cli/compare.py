"""Compares the variants of a study and writes summary.json and summary.md into its folder."""

import argparse

from audio_cls.cli.arguments import add_ensemble, add_study, find_study, lead_on

HELP = "compare the variants of a study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    add_ensemble(
        parser,
        "Nothing remembers it: the summary shows the ensembles of the last comparison, and that of a sweep has none",
    )


def run(options: argparse.Namespace) -> int:
    path = find_study(options.study, options.output_dir)
    from audio_cls.reports.console import print_summary
    from audio_cls.reports.markdown import write_summary

    summary = write_summary(path, options.ensembles)
    print_summary(summary)
    lead_on(summary, path)
    return 1 if summary.failed or summary.damaged or not summary.num_done else 0
