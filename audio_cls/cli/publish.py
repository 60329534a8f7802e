"""Copies the small files of studies to results/, then writes docs/results.md and README.md.

For the maintainers of this repository: `make publish ARGS="STUDY ..."`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from audio_cls.cli.arguments import add_ensemble, add_output_dir, find_study
from audio_cls.cli.main import CommandParser, attempt, on_terminal
from audio_cls.files import check_replaceable
from audio_cls.terminal import answer
from audio_cls.wording import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Keeps studies and writes the documents; returns the exit status."""
    parser = CommandParser(prog="publish", description=__doc__, allow_abbrev=False)
    parser.add_argument("studies", metavar="STUDY", nargs="*", help="studies to keep; none: only write the documents")
    add_output_dir(parser)
    parser.add_argument(
        "--results-dir", type=Path, default=Path("results"), help="where they are kept (default: results)"
    )
    add_ensemble(parser, "It is kept with the study, until the study is kept again without it")
    parser.set_defaults(run=_run, name=parser.prog)
    return on_terminal(lambda: attempt(parser.parse_args(arguments)))


def _run(options: argparse.Namespace) -> int:
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


if __name__ == "__main__":
    sys.exit(main())
