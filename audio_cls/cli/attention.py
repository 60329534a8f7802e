"""Draws a clip's waveform, spectrogram and, along the same time axis, the attention of the CLS token in each layer and
head. Several jobs, with 1, 2 and 4 heads for instance, stand one below the other."""

import argparse
from pathlib import Path

from audio_cls.cli.arguments import CommandError, add_output_dir, check_suffix, find_job
from audio_cls.files import check_replaceable
from audio_cls.terminal import answer

COMMAND = "audio-cls attention"
HELP = "draw where a trained transformer looks in a clip, or how several differ"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", metavar="JOB", nargs="+", help="a job's folder, as STUDY/VARIANT/fold0-seed0")
    parser.add_argument("clip", metavar="CLIP", help="a sound file, or the name of a clip of the job's data set")
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="the picture (default: in the first job's folder)")
    add_output_dir(parser)


def run(options: argparse.Namespace) -> int:
    check_suffix(options.out, ".png", "the picture is a PNG")
    jobs = [find_job(name, options.output_dir) for name in options.jobs]
    stem = Path(options.clip).stem + (f"_{len(jobs)}_jobs" if len(jobs) > 1 else "")
    path = options.out or jobs[0] / f"attention_{stem}.png"
    if jobs[0].is_dir():
        check_replaceable(path, f"Software\0{COMMAND}")
    from audio_cls.data.clips import DataError
    from audio_cls.data.decode import BadAudio
    from audio_cls.figures.attention import attention_figure
    from audio_cls.figures.job import save_figure

    try:
        figure = attention_figure(jobs, options.clip)
    except (BadAudio, DataError) as error:
        raise CommandError(f"{options.clip}: {error}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path, COMMAND)
    answer(f"written to {path}")
    return 0
