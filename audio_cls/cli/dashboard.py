"""Saves a view of the project in Weights & Biases; without a key, says what it would save."""

import argparse
from pathlib import Path

from audio_cls.cli.arguments import CommandError
from audio_cls.files import check_replaceable, write_text
from audio_cls.terminal import answer
from audio_cls.wording import UserError, one_line

HELP = "build the project's dashboard in Weights & Biases"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", nargs="?", help="show this study only (default: all of them)")
    parser.add_argument("--project", default="audio_cls", help="as in logger.project (default: audio_cls)")
    parser.add_argument("--entity", help="user or team (default: the account's)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it to a file instead")


def run(options: argparse.Namespace) -> int:
    try:
        from audio_cls.tracking import dashboard
    except ImportError:
        raise UserError("needs wandb-workspaces: pip install 'audio_cls[dashboard]'") from None
    study = Path(options.study).name if options.study else None
    if options.json:
        check_replaceable(options.json, '"displayName": "audio_cls: ', "choose another --json")
        drawn = dashboard.as_json(dashboard.build_dashboard(options.project, options.entity or "ENTITY", study))
        write_text(options.json, drawn + "\n")
        answer(f"written to {options.json}")
        return 0
    try:
        answer(dashboard.save_dashboard(options.project, options.entity, study))
    except dashboard.NoAccount as error:
        answer(f"nothing saved ({error}); with a key it would be a view of project {options.project} with")
        answer(dashboard.outline(study))
    except Exception as error:
        raise CommandError(f"W&B did not take it: {one_line(error)}") from None
    return 0
