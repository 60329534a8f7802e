"""After a search on one fold, or on some: ranks its variants and prints, for each of the best, the command that trains
it on every fold. To run them: audio-cls confirm SEARCH | sh"""

import argparse

from audio_cls.cli.arguments import CommandError, add_study, find_study
from audio_cls.terminal import answer, say
from audio_cls.wording import UserError

HELP = "after a search on one fold: print the commands that train its best variants on every fold"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--top", type=int, default=3, metavar="N", help="how many variants (default: 3)")
    parser.add_argument("--into", metavar="NAME", help="the study they go to (default: STUDY-confirmed)")


def run(options: argparse.Namespace) -> int:
    path = find_study(options.study, options.output_dir)
    if options.top < 1:
        raise UserError(f"--top {options.top} names no variant; use 1 or more")
    from audio_cls.config.location import export_command
    from audio_cls.reports.commands import best_variants, training_command

    into = options.into or f"{path.resolve().name}-confirmed"
    ranked = best_variants(path, options.top)
    if all(variant.on_every_fold for variant in ranked):
        names = ", ".join(each.variant for each in ranked)
        raise UserError(
            f"{path}: nothing is left to confirm, as every fold is done of {names};"
            f" to take the best variant away: {export_command(path)}"
        )
    try:
        # All of them, or none for a shell to run.
        commands = [training_command(each.folder, into, each.variant) for each in ranked]
    except ValueError as error:
        raise CommandError(error) from None
    for place, (variant, command) in enumerate(zip(ranked, commands, strict=True), start=1):
        folds = ", ".join(map(str, variant.folds))
        say(f"{place}. {variant.variant}: {variant.accuracy:.1%} on fold {folds}")
        answer(command)
    return 0
