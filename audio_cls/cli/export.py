"""Writes a trained model as one folder that needs neither its job nor what trained it: weights, classes, calibration,
checksums and a model card. Of a study it is the best variant, trained on all clips, which takes as long as one of its
jobs and is done once; what was interrupted goes on. Of a job it is that job's network."""

import argparse
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from audio_cls.cli.arguments import CommandError, add_output_dir, find_job, find_study
from audio_cls.terminal import answer
from audio_cls.wording import UserError

if TYPE_CHECKING:
    from audio_cls.serving.export import Write

HELP = "write a trained model as a folder to use and to share, with a model card"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="STUDY|JOB", help="a study, or a job's folder as STUDY/VARIANT/fold0-seed0")
    parser.add_argument("--variant", metavar="NAME", help="another variant of the study than the best")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="the folder to write (default: exported/STUDY-VARIANT)"
    )
    parser.add_argument(
        "--license", default="", metavar="ID", help="the licence of the model, as cc-by-4.0 (default: not stated)"
    )
    parser.add_argument("--root", metavar="PATH", help="where the study's clips are now (default: where they were)")
    parser.add_argument(
        "--onnx", action="store_true", help="also model.onnx, which runs without torch, and an example of its use"
    )
    parser.add_argument(
        "--html", action="store_true", help="also model.html, a page that runs the model in a browser without a network"
    )
    parser.add_argument(
        "--runtime", type=Path, metavar="FILE.tgz", help="of --html: ONNX Runtime Web, where npm cannot fetch it"
    )
    add_output_dir(parser)


def run(options: argparse.Namespace) -> int:
    job = find_job(options.model, options.output_dir)
    is_job = (job / "config.yaml").is_file()
    if is_job and (options.variant or options.root):
        option = "--variant" if options.variant else "--root"
        raise UserError(f"{option} belongs to a study, and {job} is a job; leave it out")
    if options.runtime and not options.html:
        raise UserError("--runtime belongs to --html; give both, or leave it out")
    path = job if is_job else find_study(options.model, options.output_dir)
    from audio_cls.reports.export.command import Wishes, export_job, export_study, size_of
    from audio_cls.reports.export.final import NotTrained

    wishes = Wishes(options.out, options.license, *_onnx_and_page(options))
    try:
        study = None if is_job else (options.variant, options.root)
        folder = export_study(path, *study, wishes) if study else export_job(path, wishes)
    except NotTrained as error:
        raise CommandError(str(error)) from None
    names = sorted(each.name for each in folder.iterdir())
    answer(f"written to {folder}: {size_of(folder) / 1e6:.1f} MB, {', '.join(names)}")
    answer("to use it:")
    answer(f"  audio-cls predict {shlex.quote(str(folder))} SOUND")
    answer(f"  audio-cls serve {shlex.quote(str(folder))}")
    answer(f"  python -c \"import audio_cls; print(audio_cls.load({str(folder)!r}).predict('SOUND'))\"")
    return 0


def _onnx_and_page(options: argparse.Namespace) -> tuple["Write | None", "Write | None"]:
    """What writes model.onnx and model.html, where they are asked for. What is missing is said before any training."""
    if not options.onnx and not options.html:
        return None, None
    from audio_cls.serving.html import write_html
    from audio_cls.serving.onnx import check_installed, write_with_example
    from audio_cls.serving.web_runtime import web_runtime

    check_installed()
    page = partial(write_html, runtime=web_runtime(options.runtime)) if options.html else None
    return write_with_example if options.onnx else None, page
