"""The page about variants that differ by one change each: a figure, a table, and the command that writes it again."""

import shlex
from pathlib import Path, PurePath

from audio_cls.figures.job import save_figure
from audio_cls.figures.style import figure_style
from audio_cls.figures.variants import steps_figure
from audio_cls.files import write_text
from audio_cls.reports.ablation import Route, route_table
from audio_cls.reports.tables import escape, markdown_table
from audio_cls.wording import wrap_markdown


def write_page(route: Route, out: Path) -> None:
    """Writes the page to `out`, and its figure beside it under the same name."""
    picture = out.with_suffix(".png")
    out.parent.mkdir(parents=True, exist_ok=True)
    held_out = {step.row.variant: step.row.ranking.accuracy for step in route.steps}
    training = {step.row.variant: step.row.train_accuracy for step in route.steps}
    with figure_style():
        save_figure(steps_figure(held_out, training, 1 / len(route.study.classes), route.clips), picture)
    header, cells = route_table(route)
    rows = [[line[0], step.changed, *line[1:]] for line, step in zip(cells, route.steps, strict=True)]
    parts = [
        f"Written by `{_command(route, out)}`; not edited.",
        f"# {escape(route.title)}",
        f"![Accuracy on training clips and on {route.clips}, variant by variant]({picture.name})",
        markdown_table([header[0], "Changed", *header[1:]], rows),
        wrap_markdown("\n".join(f"- {escape(note)}" for note in route.notes)),
    ]
    write_text(out, "\n\n".join(parts) + "\n")


def _command(route: Route, out: Path) -> str:
    words = ["audio-cls", "ablation", _portable(route.study.path), "--order"]
    words.append(",".join(step.row.variant for step in route.steps))
    words += ["--each-against", route.against] if route.against else []
    return shlex.join([*words, "--out", _portable(out)])


def _portable(path: Path) -> str:
    """The path from here, or without what holds for one machine only."""
    if path.resolve().is_relative_to(Path.cwd()):
        return path.resolve().relative_to(Path.cwd()).as_posix()
    return PurePath("PATH", path.resolve().name).as_posix()
