"""Figures as pictures of a page."""

import io
from typing import Any

from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from audio_cls.figures.fonts import fit_fonts
from audio_cls.figures.job import tight_box
from audio_cls.figures.style import figure_style
from audio_cls.reports.html.page import data_uri

DPI = 130
MAX_WIDTH = 1_600  # pixels; wider ones are of hundreds of classes


def png(figure: Figure, cut: bool = False, by: str = "audio-cls") -> bytes:
    """With a palette of 256 colours: a third of the size. `cut`: to what is on the figure, whatever its own size; `by`:
    the command that drew it, as the file says."""
    buffer = io.BytesIO()
    with figure_style():
        fit_fonts(figure)
        figure.set_dpi(DPI)
        figure.savefig(buffer, dpi=DPI, bbox_inches=tight_box(figure) if cut else None)
    picture = Image.open(buffer).convert("RGB")
    if picture.width > MAX_WIDTH:
        picture.thumbnail((MAX_WIDTH, picture.height), Image.Resampling.LANCZOS)
    small = io.BytesIO()
    about = PngInfo()
    about.add_text("Software", by)
    picture.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True, pnginfo=about)
    return small.getvalue()


def embedded(content: bytes, alt: str) -> dict[str, Any]:
    """A PNG as the templates' macros take it."""
    width, height = Image.open(io.BytesIO(content)).size
    return {"uri": data_uri(content, "image/png"), "width": width, "height": height, "alt": alt}
