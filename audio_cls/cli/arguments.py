"""Arguments that several commands have, and what they stand for."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from audio_cls.terminal import say
from audio_cls.wording import UserError, did_you_mean

if TYPE_CHECKING:
    from audio_cls.analysis.summary import Summary


class CommandError(RuntimeError):
    """What a command cannot do for no mistake of the user: one line. Exit status 1."""


def add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="a study's folder, or its name under the output folder")
    add_output_dir(parser)


def add_output_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output-dir", type=Path, default=Path("outputs"), help="where studies are (default: outputs)")


def add_ensemble(parser: argparse.ArgumentParser, kept: str) -> None:
    """`kept`: where the ensemble is shown from then on."""
    parser.add_argument(
        "--ensemble", action="append", default=[], metavar="A,B", dest="ensembles",
        help="also show what the variants A and B reach together, by the mean of their probabilities; A alone means its"
        f" seeds; may be given several times. {kept}",
    )  # fmt: skip


def check_suffix(out: Path | None, suffix: str, what: str, option: str = "--out") -> None:
    """Raises UserError if an option names a file that ends differently; `what`: 'the table is CSV'."""
    if out is not None and out.suffix.lower() != suffix:
        raise UserError(f"{option} {out}: {what}; call it {out.with_suffix(suffix).name}")


def find_job(name: str, output_dir: Path) -> Path:
    """A path, or else one under the output folder."""
    return output_dir / name if not Path(name).exists() and (output_dir / name).is_dir() else Path(name)


def find_study(name: str, output_dir: Path) -> Path:
    """The study's folder: a bare name under the output folder, or else a path; UserError where there is none."""
    bare = Path(name).name == name
    candidates = [output_dir / name, Path(name)] if bare else [Path(name)]
    path = next((candidate for candidate in candidates if name and candidate.is_dir()), None)
    if path is None:
        raise UserError(_no_study(name, output_dir))
    if any(path.glob("*/fold*-seed*/")):
        return path
    if any(path.glob("fold*-seed*/")):
        raise UserError(f"{path} is one variant; give the study it belongs to: {path.resolve().parent}")
    if (path / "metrics.json").exists():
        raise UserError(f"{path} is one job; give the study it belongs to: {path.resolve().parent.parent}")
    studies = _studies(path)
    if studies:
        raise UserError(f"{path} holds several studies; name one: {', '.join(studies)}")
    return path


def lead_on(summary: "Summary", study: Path) -> None:
    """Says how to take the best variant of a study away, where one can be told."""
    from audio_cls.config.location import export_command

    if summary.ranking_split and summary.num_done:
        say(f"the best variant as a folder to use and to share: {export_command(study)}")


def _no_study(name: str, output_dir: Path) -> str:
    names = _studies(output_dir)
    hint = did_you_mean(Path(name).name, names)
    known = (
        f"in {output_dir} there is {', '.join(names)}" if names else f"{output_dir} holds none yet: train a model first"
    )
    return f"no study {name!r}; {hint or known}"


def _studies(folder: Path) -> list[str]:
    return sorted({job.parent.parent.name for job in folder.glob("*/*/fold*-seed*/")})
