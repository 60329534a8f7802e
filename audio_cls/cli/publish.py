"""Copies the small files of studies to results/, then writes docs/results.md and README.md."""

import argparse
from pathlib import Path

from audio_cls.cli.arguments import add_ensemble, add_output_dir, find_study
from audio_cls.files import check_replaceable
from audio_cls.terminal import answer
from audio_cls.wording import UserError

HELP = "keep studies in results/ and write the documents that show them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", metavar="STUDY", nargs="*", help="studies to keep; none: only write the documents")
    add_output_dir(parser)
    parser.add_argument(
        "--results-dir", type=Path, default=Path("results"), help="where they are kept (default: results)"
    )
    add_ensemble(parser, "It is kept with the study, until the study is kept again without it")


def run(options: argparse.Namespace) -> int:
    from audio_cls.reports.publish import WRITTEN_BY, keep_study, write_documents

    if options.ensembles and len(options.studies) != 1:
        raise UserError("--ensemble belongs to one study; name the one to keep with it")
    document = Path("docs/results.md")
    check_replaceable(document, WRITTEN_BY, "move it away")
    for name in options.studies:
        study = find_study(name, options.output_dir)
        answer(f"kept {keep_study(study, options.results_dir, options.ensembles)}")
    if not options.results_dir.is_dir():
        raise UserError(f"{options.results_dir} holds no study yet; name one to keep")
    written = write_documents(options.results_dir, document, Path("README.md"))
    answer(f"{document} shows {', '.join(written)}")
    return 0
