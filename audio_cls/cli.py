"""The command `audio-cls`. Each command imports what it needs when it is called, so that --help is instant.

Exit status: 0 all well; 1 failed or damaged jobs, nothing finished, or sounds that cannot be used; 2 a mistake, told in
one line; 130 after Ctrl-C.
"""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn


class UsageError(ValueError):
    """A mistake of the user: one line that says what is wrong and what to do."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except UsageError as error:
        print(f"audio-cls {options.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"audio-cls {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="audio-cls", description="Looks at what train.py has written, and uses it.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    explore = commands.add_parser(
        "explore",
        help="look and listen before training: a page with findings, pictures and sounds of a data set",
        description="Writes a page about a data set: findings (unreadable files, duplicates, silence, leakage ...),"
        " examples to look at and listen to, durations, levels, spectra, recordings and folds."
        " Exit status 1 where train.py would stop on the data.",
    )
    explore.add_argument(
        "--data", choices=("auto", "esc10", "esc50", "folder", "synthetic"), default="auto",
        help="what kind of data, as in train.py data=... (default: auto)",
    )  # fmt: skip
    explore.add_argument("--root", metavar="PATH", help="folder of the clips or CSV manifest (default: AUDIO_CLS_DATA)")
    explore.add_argument("--out", type=Path, metavar="DIR", help="folder for the page (default: outputs/explore/NAME)")
    explore.add_argument(
        "--leaky-manifest", type=Path, metavar="FILE.csv",
        help="also write a manifest with plain shuffled folds that ignore which clips share a recording, to measure"
        " what such a leak is worth: python train.py data=folder data.root=FILE.csv protocol=crossval -m",
    )  # fmt: skip
    explore.set_defaults(run=_explore)
    compare = commands.add_parser(
        "compare",
        help="compare the variants of a study",
        description="Compares the variants of a study and writes summary.json and summary.md into its folder.",
    )
    compare.add_argument("study", metavar="STUDY", help="a study's folder, or its name under the output folder")
    compare.add_argument(
        "--output-dir", type=Path, default=Path("outputs"), help="where studies are (default: outputs)"
    )
    compare.set_defaults(run=_compare)
    _add_ensemble(
        compare,
        "Nothing remembers it: the summary shows the ensembles of the last comparison, and that of a sweep has none",
    )
    report = commands.add_parser(
        "report",
        help="write a page about a study: verdict, figures, tables, the clips that were wrong to listen to",
        description="Writes STUDY/report.html, one file that needs nothing else: the verdict, the variants, every fold"
        " and seed, heads side by side, confusion, ROC and calibration, training curves, the clips most often wrong"
        " (with sound, spectrogram and attention where sounds and checkpoints are on this machine), and the command"
        " that trains each variant again.",
    )
    report.add_argument("study", metavar="STUDY", help="a study's folder, or its name under the output folder")
    report.add_argument("--root", metavar="PATH", help="where its sounds are (default: where they were)")
    report.add_argument("--out", type=Path, metavar="FILE.html", help="the page (default: report.html of the study)")
    report.add_argument("--output-dir", type=Path, default=Path("outputs"), help="where studies are (default: outputs)")
    _add_ensemble(report, "They stand in the tables of this page")
    report.set_defaults(run=_report)
    publish = commands.add_parser(
        "publish",
        help="keep studies in results/ and write the documents that show them",
        description="Copies the small files of studies to results/, then writes docs/results.md and README.md.",
    )
    publish.add_argument("studies", metavar="STUDY", nargs="*", help="studies to keep; none: only write the documents")
    publish.add_argument(
        "--output-dir", type=Path, default=Path("outputs"), help="where studies are (default: outputs)"
    )
    publish.add_argument(
        "--results-dir", type=Path, default=Path("results"), help="where they are kept (default: results)"
    )
    _add_ensemble(publish, "It is kept with the study, until the study is kept again without it")
    publish.set_defaults(run=_publish)
    steps = commands.add_parser(
        "steps",
        help="show what each of several changes brought: a table, or a page with a figure",
        description="Holds each variant of a study against the one before it in the order you give: what was changed"
        " (read from the configurations), what it cost and what it brought, on training clips and on held-out ones.",
    )
    steps.add_argument("study", metavar="STUDY", help="a study's folder, or its name under the output folder")
    steps.add_argument("--order", required=True, metavar="A,B,C", help="its variants, in the order of the changes")
    steps.add_argument(
        "--each-against", metavar="A", help="hold every variant against A instead of the one before: single causes"
    )
    steps.add_argument(
        "--out", type=Path, metavar="FILE.md", help="write a page, and its figure beside it (default: print the table)"
    )
    steps.add_argument("--output-dir", type=Path, default=Path("outputs"), help="where studies are (default: outputs)")
    steps.set_defaults(run=_steps)
    best = commands.add_parser(
        "best",
        help="print the commands that train a search's best variants on every fold",
        description="Ranks the variants of a study and prints, for each of the best, the command that trains it on"
        " every fold. To run them: audio-cls best STUDY | sh",
    )
    best.add_argument("study", metavar="STUDY", help="a study's folder, or its name under the output folder")
    best.add_argument("--top", type=int, default=3, metavar="N", help="how many variants (default: 3)")
    best.add_argument("--into", metavar="NAME", help="the study they go to (default: STUDY-confirmed)")
    best.add_argument("--output-dir", type=Path, default=Path("outputs"), help="where studies are (default: outputs)")
    best.set_defaults(run=_best)
    dashboard = commands.add_parser(
        "dashboard",
        help="build the project's dashboard in Weights & Biases",
        description="Saves a view of the project in Weights & Biases; without a key, says what it would save.",
    )
    dashboard.add_argument("study", metavar="STUDY", nargs="?", help="show this study only (default: all of them)")
    dashboard.add_argument("--project", default="audio_cls", help="as in logger.project (default: audio_cls)")
    dashboard.add_argument("--entity", help="user or team (default: the account's)")
    dashboard.add_argument("--json", type=Path, metavar="FILE", help="write it to a file instead")
    dashboard.set_defaults(run=_dashboard)
    attention = commands.add_parser(
        "attention",
        help="draw where a trained transformer looks in a clip, or how several differ",
        description="Draws a clip's waveform, spectrogram and, along the same time axis, the attention of the CLS token"
        " in each layer and head. Several jobs, with 1, 2 and 4 heads for instance, stand one below the other.",
    )
    attention.add_argument("jobs", metavar="JOB", nargs="+", help="a job's folder, as STUDY/VARIANT/fold0-seed0")
    attention.add_argument("clip", metavar="CLIP", help="a sound file, or the name of a clip of the job's data set")
    attention.add_argument(
        "--out", type=Path, metavar="FILE.png", help="the picture (default: in the first job's folder)"
    )
    attention.add_argument(
        "--output-dir", type=Path, default=Path("outputs"), help="where studies are (default: outputs)"
    )
    attention.set_defaults(run=_attention)
    predict = commands.add_parser(
        "predict",
        help="say what a trained model hears in sound files",
        description="Prints the most probable classes of each file. Exit status 1 if a file could not be used.",
    )
    predict.add_argument("job", metavar="JOB", help="a job's folder, as STUDY/VARIANT/fold0-seed0")
    predict.add_argument("sounds", metavar="SOUND", nargs="+", help="a sound file, or a folder of them at any depth")
    predict.add_argument("--out", type=Path, metavar="FILE.csv", help="also write the probabilities of all classes")
    predict.add_argument(
        "--output-dir", type=Path, default=Path("outputs"), help="where studies are (default: outputs)"
    )
    predict.set_defaults(run=_predict)
    return parser


def _add_ensemble(command: argparse.ArgumentParser, memory: str) -> None:
    command.add_argument(
        "--ensemble", action="append", default=[], metavar="A,B", dest="ensembles",
        help="also show what the variants A and B reach together, by the mean of their probabilities; A alone means its"
        f" seeds; may be given several times. {memory}",
    )  # fmt: skip


def _explore(options: argparse.Namespace) -> int:
    from audio_cls.config.schema import ConfigError
    from audio_cls.data.clips import DataError
    from audio_cls.reports.dataset.command import Request, explore

    try:
        return explore(Request(options.data, options.root, options.out, options.leaky_manifest))
    except ConfigError as error:
        raise UsageError(error) from None
    except DataError as error:
        print(f"audio-cls explore: {error}", file=sys.stderr)
        return 1


def _publish(options: argparse.Namespace) -> int:
    from audio_cls.reports.publish import keep_study, write_documents
    from audio_cls.results.study import StudyError

    if options.ensembles and len(options.studies) != 1:
        raise UsageError("--ensemble belongs to one study; name the one to keep with it")
    try:
        for name in options.studies:
            study = _find_study(name, options.output_dir)
            print(f"kept {keep_study(study, options.results_dir, options.ensembles)}")
        if not options.results_dir.is_dir():
            raise UsageError(f"{options.results_dir} holds no study yet; name one to keep")
        written = write_documents(options.results_dir, Path("docs/results.md"), Path("README.md"))
    except StudyError as error:
        raise UsageError(error) from None
    print(f"docs/results.md and README.md show {', '.join(written)}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    path = _find_study(options.study, options.output_dir)
    from audio_cls.reports.markdown import write_summary
    from audio_cls.reports.tables import print_summary
    from audio_cls.results.study import StudyError

    try:
        summary = write_summary(path, options.ensembles)
    except StudyError as error:
        raise UsageError(error) from None
    print_summary(summary)
    return 1 if summary.failed or summary.damaged or not summary.num_done else 0


def _report(options: argparse.Namespace) -> int:
    if options.out is not None and options.out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {options.out}: the page is HTML; call it {options.out.with_suffix('.html').name}")
    path = _find_study(options.study, options.output_dir)
    from audio_cls.config.schema import ConfigError
    from audio_cls.reports.study.page import write_report
    from audio_cls.results.study import StudyError

    try:
        report = write_report(path, options.root, options.out, options.ensembles)
    except (StudyError, ConfigError) as error:
        raise UsageError(error) from None
    summary = report.summary
    print(summary.headline, summary.verdict, f"page: {report.path}", sep="\n")
    return 1 if summary.failed or summary.damaged or not summary.num_done else 0


def _steps(options: argparse.Namespace) -> int:
    if options.out is not None and options.out.suffix != ".md":
        raise UsageError(f"--out {options.out}: the page is Markdown; call it {options.out.with_suffix('.md').name}")
    path = _find_study(options.study, options.output_dir)
    from audio_cls.reports.ablation import read_route, route_table
    from audio_cls.reports.tables import print_table
    from audio_cls.results.study import StudyError

    try:
        route = read_route(path, [name.strip() for name in options.order.split(",")], options.each_against)
    except StudyError as error:
        raise UsageError(error) from None
    if options.out is None:
        changes = [f"{step.row.variant}: {step.changed}" for step in route.steps if step.changes is not None]
        elsewhere = "Columns that do not fit here stand on the page that --out FILE.md writes."
        print_table(route_table(route), route.title, [*changes, *route.notes], elsewhere)
        return 0
    from audio_cls.reports.ablation_page import write_page

    write_page(route, options.out)
    print(f"written to {options.out} and {options.out.with_suffix('.png').name}")
    return 0


def _best(options: argparse.Namespace) -> int:
    path = _find_study(options.study, options.output_dir)
    if options.top < 1:
        raise UsageError(f"--top {options.top} names no variant; use 1 or more")
    from audio_cls.reports.commands import best_variants, confirming_command
    from audio_cls.results.study import StudyError

    try:
        ranked = best_variants(path, options.top)
        into = options.into or f"{path.resolve().name}-confirmed"
        commands = [confirming_command(variant, into) for variant in ranked]  # all of them, or none for a shell to run
    except StudyError as error:
        raise UsageError(error) from None
    except ValueError as error:
        print(f"audio-cls best: {error}", file=sys.stderr)
        return 1
    for place, (variant, command) in enumerate(zip(ranked, commands, strict=True), start=1):
        folds = ", ".join(map(str, variant.folds))
        print(f"{place}. {variant.variant}: {variant.accuracy:.1%} on fold {folds}", file=sys.stderr)
        print(command)
    return 0


def _dashboard(options: argparse.Namespace) -> int:
    try:
        from audio_cls.tracking import dashboard
    except ImportError:
        raise UsageError("needs wandb-workspaces: pip install 'audio_cls[dashboard]'") from None
    study = Path(options.study).name if options.study else None
    if options.json:
        drawn = dashboard.as_json(dashboard.build_dashboard(options.project, options.entity or "ENTITY", study))
        options.json.write_text(drawn + "\n", encoding="utf-8")
        print(f"written to {options.json}")
        return 0
    try:
        print(dashboard.save_dashboard(options.project, options.entity, study))
    except dashboard.NoAccount as error:
        print(f"nothing saved ({error}); with a key it would be a view of project {options.project} with")
        print(dashboard.outline(study))
    except Exception as error:
        print(f"audio-cls dashboard: W&B did not take it: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


def _attention(options: argparse.Namespace) -> int:
    if options.out is not None and options.out.suffix != ".png":
        raise UsageError(f"--out {options.out}: the picture is a PNG; call it {options.out.with_suffix('.png').name}")
    from audio_cls.config.schema import ConfigError
    from audio_cls.data.clips import DataError
    from audio_cls.data.decode import BadAudio
    from audio_cls.figures.attention import heads_figure
    from audio_cls.figures.job import save_figure
    from audio_cls.models.attention_maps import NoAttention
    from audio_cls.serving.attention import NoSuchClip
    from audio_cls.serving.load import LoadError

    jobs = [_find_job(name, options.output_dir) for name in options.jobs]
    stem = Path(options.clip).stem + (f"_{len(jobs)}_jobs" if len(jobs) > 1 else "")
    path = options.out or jobs[0] / f"attention_{stem}.png"
    try:
        figure = heads_figure(jobs, options.clip)
    except (LoadError, NoAttention, NoSuchClip, ConfigError) as error:
        raise UsageError(error) from None
    except (BadAudio, DataError) as error:
        print(f"audio-cls attention: {options.clip}: {error}", file=sys.stderr)
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path)
    print(f"written to {path}")
    return 0


def _predict(options: argparse.Namespace) -> int:
    if options.out is not None and options.out.suffix.lower() != ".csv":
        raise UsageError(f"--out {options.out}: the table is CSV; call it {options.out.with_suffix('.csv').name}")
    from contextlib import nullcontext

    from audio_cls.serving.load import LoadError, load_classifier
    from audio_cls.serving.predict import NoSounds, PredictionTable, find_sounds, in_words, predict_files

    try:
        paths = find_sounds(options.sounds)
        classifier = load_classifier(_find_job(options.job, options.output_dir))
    except (LoadError, NoSounds) as error:
        raise UsageError(error) from None
    unusable = 0
    with PredictionTable(options.out, classifier.classes) if options.out else nullcontext() as table:
        for prediction in predict_files(classifier, paths):
            if prediction.problem is not None:
                print(f"audio-cls predict: {prediction.path}: {prediction.problem}", file=sys.stderr, flush=True)
                unusable += 1
                continue
            print(in_words(prediction, classifier.classes), flush=True)
            if table is not None:
                table.add(prediction)
    return 1 if unusable else 0


def _find_job(name: str, output_dir: Path) -> Path:
    """A path, or else one under the output folder."""
    return output_dir / name if not Path(name).exists() and (output_dir / name).is_dir() else Path(name)


def _find_study(name: str, output_dir: Path) -> Path:
    """The study's folder: a bare name under the output folder, or else a path; UsageError where there is none."""
    bare = Path(name).name == name
    candidates = [output_dir / name, Path(name)] if bare else [Path(name)]
    path = next((candidate for candidate in candidates if name and candidate.is_dir()), None)
    if path is None:
        raise UsageError(_no_study(name, output_dir))
    if any(path.glob("*/fold*-seed*/")):
        return path
    if any(path.glob("fold*-seed*/")):
        raise UsageError(f"{path} is one variant; give the study it belongs to: {path.resolve().parent}")
    if (path / "metrics.json").exists():
        raise UsageError(f"{path} is one job; give the study it belongs to: {path.resolve().parent.parent}")
    studies = sorted({job.parent.parent.name for job in path.glob("*/*/fold*-seed*/")})
    if studies:
        raise UsageError(f"{path} holds several studies; name one: {', '.join(studies)}")
    return path


def _no_study(name: str, output_dir: Path) -> str:
    names = sorted({job.parent.parent.name for job in output_dir.glob("*/*/fold*-seed*/")})
    near = difflib.get_close_matches(Path(name).name, names, n=1)
    if near:
        return f"no study {name!r}; did you mean {near[0]}?"
    known = (
        f"in {output_dir} there is {', '.join(names)}" if names else f"{output_dir} holds none yet: run train.py first"
    )
    return f"no study {name!r}; {known}"


if __name__ == "__main__":
    sys.exit(main())
