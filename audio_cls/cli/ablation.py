"""Compares each variant of a study with the one before it, in the order you give: what was changed (read from the
configurations), what it cost and what it brought, on training clips and on held-out ones."""

import argparse
from pathlib import Path

from audio_cls.cli.arguments import add_study, check_suffix, find_study
from audio_cls.files import check_replaceable
from audio_cls.terminal import answer

COMMAND = "audio-cls ablation"
HELP = "show what each of several changes brought: a table, or a page with a figure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--order", required=True, metavar="A,B,C", help="its variants, in the order of the changes")
    parser.add_argument(
        "--each-against", metavar="A", help="compare every variant with A instead of the one before: single causes"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.md", help="write a page, and its figure beside it (default: print the table)"
    )


def run(options: argparse.Namespace) -> int:
    check_suffix(options.out, ".md", "the page is Markdown")
    if options.out:
        check_replaceable(options.out, f"Written by `{COMMAND}")
        check_replaceable(options.out.with_suffix(".png"), f"Software\0{COMMAND}")
    path = find_study(options.study, options.output_dir)
    from audio_cls.reports.ablation import ablation_table, read_ablation
    from audio_cls.reports.console import print_table

    ablation = read_ablation(path, [name.strip() for name in options.order.split(",")], options.each_against)
    if options.out is None:
        changes = [f"{each.row.variant}: {each.changed}" for each in ablation.changes if each.changed_keys is not None]
        notes, elsewhere = [*changes, *ablation.notes], "the page that --out FILE.md writes"
        print_table(ablation_table(ablation, with_changes=False), ablation.title, notes, elsewhere)
        return 0
    from audio_cls.reports.ablation_page import write_page

    write_page(ablation, options.out)
    answer(f"written to {options.out} and {options.out.with_suffix('.png').name}")
    return 0
