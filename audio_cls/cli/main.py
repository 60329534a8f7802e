"""The command `audio-cls`. Each command imports what it needs when it is run, so that --help is instant.

Exit status: 0 all well; 1 bad data, failed or damaged jobs, or nothing finished; 2 a mistake on the command line, told
in one line; 130 after Ctrl-C; 141 where nobody reads the output to its end.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from audio_cls import __version__
from audio_cls.cli import (
    ablation,
    attention,
    compare,
    confirm,
    dashboard,
    evaluate,
    explore,
    export,
    predict,
    report,
    serve,
    train,
)
from audio_cls.cli.arguments import CommandError
from audio_cls.data.clips import DataError
from audio_cls.terminal import CLOSED, discard_output, open_terminal, printable, say
from audio_cls.wording import UserError

COMMANDS = (train, explore, compare, report, ablation, confirm, dashboard, attention, predict, evaluate, export, serve)


# What a model in use does without: an environment may lack them.
BEYOND_PREDICTION = frozenset(
    "filelock hydra jinja2 joblib lightning matplotlib omegaconf PIL platformdirs pydantic requests scipy sklearn"
    " torchmetrics wandb yaml".split()
)


class CommandParser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        say(printable(f"{self.prog}: {message}; see {self.prog} --help"))
        self.exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["train"]:  # its arguments are Hydra's to read, --help and -m among them
        return on_terminal(lambda: train.run(argparse.Namespace(arguments=words[1:])))
    return on_terminal(lambda: attempt(build_parser().parse_args(words)))


def on_terminal(command: Callable[[], int]) -> int:
    """Runs a command whose output may end early; returns its exit status."""
    open_terminal()
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()  # here, where a closed pipe can be handled
    except BrokenPipeError:
        discard_output()
        return CLOSED
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in BEYOND_PREDICTION:
            raise
        say(f"audio-cls: this command needs {error.name}, which is not installed here; install all of audio_cls")
        return 2


def attempt(options: argparse.Namespace) -> int:
    """Runs `options.run`; what it refuses is one line after `options.name`."""
    try:
        return options.run(options)
    except UserError as error:
        say(printable(f"{options.name}: {error}"))
        return 2
    except BrokenPipeError:
        raise
    except (CommandError, DataError, OSError) as error:
        say(f"{options.name}: {error}")
        return 1


def build_parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="audio-cls", description="Trains classifiers of sound, looks at their results and uses them."
    )
    parser.add_argument("--version", action="version", version=f"audio_cls {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__, allow_abbrev=False)
        module.add_arguments(command)
        command.set_defaults(run=module.run, name=command.prog)
    return parser


if __name__ == "__main__":
    sys.exit(main())
