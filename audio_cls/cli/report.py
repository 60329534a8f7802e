"""Writes STUDY/report.html, one file that needs nothing else: the verdict, the variants, every fold and seed, heads
side by side, confusion, ROC and calibration, training curves, the clips most often wrong (with sound, spectrogram and
attention where sounds and checkpoints are on this machine), and the command that trains each variant again."""

import argparse
from pathlib import Path

from audio_cls.cli.arguments import add_ensemble, add_study, check_suffix, find_study, lead_on
from audio_cls.terminal import answer

HELP = "write a page about a study: verdict, figures, tables, the clips that were wrong to listen to"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--root", metavar="PATH", help="where its sounds are (default: where they were)")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="the page (default: report.html of the study)")
    add_ensemble(parser, "They stand in the tables of this page")


def run(options: argparse.Namespace) -> int:
    check_suffix(options.out, ".html", "the page is HTML")
    path = find_study(options.study, options.output_dir)
    from audio_cls.reports.study.page import write_report

    page, summary = write_report(path, options.root, options.out, options.ensembles)
    answer(f"{summary.headline}\n{summary.verdict}\npage: {page}")
    lead_on(summary, path)
    return 1 if summary.failed or summary.damaged or not summary.num_done else 0
