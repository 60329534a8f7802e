"""Trains: what `python train.py` does in a checkout. --help lists the groups and keys."""

import argparse

HELP = "train classifiers, one job for each variant, fold and seed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="GROUP=OPTION, KEY=VALUE, -m ...")


def run(options: argparse.Namespace) -> int:
    from audio_cls.experiment.train import main

    return main(options.arguments)
