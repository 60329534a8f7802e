"""A finding about a data set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from audio_cls.reports.dataset.survey import Survey

SEVERITIES = ("must be fixed", "check this", "good to know")
ERROR, WARNING, NOTE = SEVERITIES
MANIFEST = "a CSV manifest with the columns file,label,source (data=folder data.root=FILE.csv)"
_VERBS = {"is": "are", "has": "have", "holds": "hold", "lasts": "last", "lies": "lie", "comes": "come"}


@dataclass(frozen=True)
class Finding:
    """`clips`: names, each with a detail."""

    severity: str
    title: str
    advice: str
    clips: tuple[tuple[str, str], ...] = ()


def about_clips(
    survey: Survey, details: Mapping[int, str], severity: str, title: str, advice: str
) -> Iterator[Finding]:
    """A finding about the clips that `details` has something to say of, by index; none without any.

    In the title, {clips} is their number, and {is}, {has} and other verbs agree with it: '{clips} {is} clipped'.
    """
    if details:
        verbs = {verb: verb if len(details) == 1 else several for verb, several in _VERBS.items()}
        clips = tuple((survey.clip(index).name, detail) for index, detail in details.items())
        yield Finding(severity, title.format(clips=count_clips(len(details)), **verbs), advice, clips)


def count_clips(count: int) -> str:
    """'1 clip', '2 clips'."""
    return f"{count} clip{'s' * (count != 1)}"
