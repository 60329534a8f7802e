"""What the training clips of a job are like, as far as it tells that a new sound is unlike all of them."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from audio_cls.files import write_json

PROFILE = "profile.json"  # in a job's folder, and in an exported model's
FORMAT_VERSION = 1


@dataclass(frozen=True)
class TrainingProfile:
    """Of the clips that a job was trained on.

    Args:
        shortest_seconds, longest_seconds: how long they are.
    """

    shortest_seconds: float
    longest_seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain values, which `from_json` takes."""
        return {"version": FORMAT_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, values: Any) -> "TrainingProfile":
        """Raises ValueError in one line for anything but what `as_json` gives."""
        if not isinstance(values, dict) or values.get("version") != FORMAT_VERSION:
            raise ValueError(f"a profile of the training clips has version {FORMAT_VERSION}; train the job again")
        if missing := [field.name for field in fields(cls) if field.name not in values]:
            raise ValueError(f"the profile of the training clips lacks {missing[0]}; train the job again")
        shortest, longest = (_number(values, name) for name in ("shortest_seconds", "longest_seconds"))
        if not 0 < shortest <= longest:
            raise ValueError(
                f"the profile of the training clips has clips of {shortest:g} to {longest:g} s; train the job again"
            )
        return cls(shortest, longest)


def write_profile(path: Path, profile: TrainingProfile) -> None:
    """Whole or not at all."""
    write_json(path, profile.as_json())


def read_profile(path: Path) -> TrainingProfile | None:
    """None where there is no such file: an older version trained the job. Raises ValueError for a damaged one."""
    try:
        return TrainingProfile.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except ValueError as error:  # also what is no JSON, or no UTF-8
        raise ValueError(f"{path}: {error}".partition("\n")[0]) from None


def _number(values: dict[str, Any], name: str) -> float:
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"the profile of the training clips has {name}={value!r}, no number; train the job again")
    return float(value)
