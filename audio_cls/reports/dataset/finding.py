"""A finding about a data set, and the words that findings share."""

from dataclasses import dataclass

from audio_cls.reports.dataset.survey import Survey

SEVERITIES = ("must be mended", "look at this", "good to know")
ERROR, WARNING, NOTE = SEVERITIES
MANIFEST = "a CSV manifest with the columns file,label,source (data=folder data.root=FILE.csv)"


@dataclass(frozen=True)
class Finding:
    """`clips`: names, each with what is to be said about it."""

    severity: str
    title: str
    advice: str
    clips: tuple[tuple[str, str], ...] = ()


def named(survey: Survey, said: dict[int, str]) -> tuple[tuple[str, str], ...]:
    """The clips' names in place of their indices."""
    return tuple((survey.clip(index).name, text) for index, text in said.items())


def count_clips(count: int, one: str = "", several: str = "") -> str:
    """'1 clip is', '2 clips are', for the verbs 'is' and 'are'."""
    return f"{count} clip{'s' * (count != 1)} {one if count == 1 else several}".strip()
