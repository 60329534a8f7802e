"""The page about variants that differ by one change each: a figure, a table, and the command that writes it again."""

import shlex
from pathlib import Path, PurePath

from audio_cls.figures.job import save_figure
from audio_cls.figures.style import figure_style
from audio_cls.figures.variants import ablation_figure
from audio_cls.files import write_text
from audio_cls.reports.ablation import Ablation, ablation_table
from audio_cls.reports.markdown import escape, markdown_table
from audio_cls.wording import wrap_markdown


def write_page(ablation: Ablation, out: Path) -> None:
    """Writes the page to `out`, and its figure beside it under the same name."""
    picture = out.with_suffix(".png")
    out.parent.mkdir(parents=True, exist_ok=True)
    held_out = {change.row.variant: change.accuracy for change in ablation.changes if change.accuracy}
    training = {change.row.variant: change.row.train_accuracy for change in ablation.changes}
    with figure_style():
        figure = ablation_figure(held_out, training, 1 / len(ablation.study.classes), ablation.clips)
        save_figure(figure, picture, "audio-cls ablation")
    parts = [
        f"Written by `{_command(ablation, out)}`; not edited.",
        f"# {escape(ablation.title)}",
        f"![Accuracy on training clips and on {ablation.clips}, variant by variant]({picture.name})",
        markdown_table(ablation_table(ablation)),
        wrap_markdown("\n".join(f"- {escape(note)}" for note in ablation.notes)),
    ]
    write_text(out, "\n\n".join(parts) + "\n")


def _command(ablation: Ablation, out: Path) -> str:
    words = ["audio-cls", "ablation", _portable(ablation.study.path), "--order"]
    words.append(",".join(change.row.variant for change in ablation.changes))
    words += ["--each-against", ablation.against] if ablation.against else []
    return shlex.join([*words, "--out", _portable(out)])


def _portable(path: Path) -> str:
    """The path from here, or without what holds for one machine only."""
    if path.resolve().is_relative_to(Path.cwd()):
        return path.resolve().relative_to(Path.cwd()).as_posix()
    return PurePath("PATH", path.resolve().name).as_posix()
