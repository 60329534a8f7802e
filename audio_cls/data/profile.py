"""What the training clips of a job are like, as far as it tells that a new sound is unlike all of them.

Axis letters: N crops of training clips, Q crops of a new sound, D features.
"""

import base64
import json
import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from audio_cls.files import write_json

PROFILE = "profile.json"  # in a job's folder, and in an exported model's
FORMAT_VERSION = 1
NEIGHBOURS = 3
LEAST_SOURCES, PARTS = 10, 5  # recordings, and the parts that they are divided into to find the limits
SHRINKAGE = 0.3  # of the correlations, towards none: a few hundred clips do not show more of them
FLAGGED_SHARE = 0.02  # of sounds like the training clips, which may be taken for unlike
NUM_FEATURES = 39  # of a crop, those of models.crop_features
STEPS = 12  # of a stored coordinate, for each standard deviation
MAX_NUMBERS = 200_000  # in a file that is read
_TEXT = "the profile of the training clips"


@dataclass(frozen=True, eq=False)
class Spectra:
    """Crops of training clips in whitened features, and how far from them a sound may lie.

    Args:
        mean (D,), directions (D, D): features x become coordinates (x - mean) @ directions.
        points: of the crops, (N, D) int8, in STEPS a unit.
        radii: mean distance of each to its nearest crops from other recordings, (N,).
        limit: of the median `strangeness` of a sound's crops; what lies above it is unlike the training clips.
        crop_limit: of a sound that is one crop, such as a window of a recording.
    """

    mean: np.ndarray
    directions: np.ndarray
    points: np.ndarray
    radii: np.ndarray
    limit: float
    crop_limit: float

    def strangeness(self, features: np.ndarray) -> np.ndarray:
        """(Q,) of features (Q, D): mean distance to the nearest training crops over the root of their radii.

        Where training clips lie close together, as steady sounds do, a smaller distance counts. The root is half way
        between the plain distance and the local outlier factor (M. Breunig et al. 2000).
        """
        distances = _distances((features - self.mean) @ self.directions, self._points)
        return _strangeness(distances, self.radii)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spectra):
            return NotImplemented
        pairs = [(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)]
        return all(np.array_equal(one, another) for one, another in pairs)

    def __hash__(self) -> int:
        return hash((self.limit, self.crop_limit))

    @cached_property
    def _points(self) -> np.ndarray:
        return self.points.astype(np.float32) / STEPS


@dataclass(frozen=True)
class TrainingProfile:
    """Of the clips that a job was trained on.

    Args:
        shortest_seconds, longest_seconds: how long they are.
        softest_db, loudest_db: levels of their loudest crops, dB below full scale; None where they were not measured.
        spectra: what they sound like; None where there are too few clips, or their crops are too short.
        held_out, held_out_unlike: how many held-out clips were compared with them, and how many of these are unlike.
    """

    shortest_seconds: float
    longest_seconds: float
    softest_db: float | None = None
    loudest_db: float | None = None
    spectra: Spectra | None = None
    held_out: int = 0
    held_out_unlike: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values, which `from_json` takes."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"version": FORMAT_VERSION, **values, "spectra": self.spectra and _spectra_as_json(self.spectra)}

    @classmethod
    def from_json(cls, values: Any) -> "TrainingProfile":
        """Raises ValueError in one line for anything but what `as_json` gives."""
        if not isinstance(values, dict) or values.get("version") != FORMAT_VERSION:
            raise ValueError(f"{_TEXT} must be of version {FORMAT_VERSION}; train the job again")
        shortest, longest = (_number(values, name) for name in ("shortest_seconds", "longest_seconds"))
        if not 0 < shortest <= longest:
            raise ValueError(f"{_TEXT} has clips of {shortest:g} to {longest:g} s; train the job again")
        softest = loudest = None
        if values.get("softest_db") is not None:
            softest, loudest = _number(values, "softest_db"), _number(values, "loudest_db")
            if softest > loudest:
                raise ValueError(f"{_TEXT} has levels of {softest:g} to {loudest:g} dB; train the job again")
        spectra = values.get("spectra")
        held_out, unlike = values.get("held_out", 0), values.get("held_out_unlike", 0)
        if type(held_out) is not int or type(unlike) is not int or not 0 <= unlike <= held_out:
            raise ValueError(f"{_TEXT} has held_out={held_out!r}, held_out_unlike={unlike!r}; train the job again")
        compared = None if spectra is None else _spectra_from_json(spectra)
        return cls(shortest, longest, softest, loudest, compared, held_out, unlike)


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
    except RecursionError:
        raise ValueError(f"{path}: no profile; train the job again") from None


def find_spectra(features: np.ndarray, clips: np.ndarray, sources: np.ndarray) -> Spectra | None:
    """From the crops of training clips: features (N, D), whose `clips` and recordings are numbered, (N,) each.

    The limits are such that a clip of another recording, or a crop, lies above with a chance of about FLAGGED_SHARE:
    in turn a fifth of the recordings is measured by the others. None where there are fewer than ten recordings.
    """
    recordings, numbers = np.unique(sources, return_inverse=True)
    if len(recordings) < LEAST_SOURCES:
        return None
    part_of = np.random.default_rng(0).permutation(len(recordings))[numbers] % PARTS  # (N,)
    of_crops = np.empty(len(features))
    for part in range(PARTS):
        held_out = part_of == part
        others = _spectra(features[~held_out], sources[~held_out])
        of_crops[held_out] = others.strangeness(features[held_out])
    of_clips = np.array([np.median(of_crops[clips == clip]) for clip in np.unique(clips)])
    return replace(_spectra(features, sources), limit=_limit(of_clips), crop_limit=_limit(of_crops))


def _spectra(features: np.ndarray, sources: np.ndarray) -> Spectra:
    """Without limits."""
    mean, directions = _whitening(features.astype(np.float64))
    points = np.clip(np.rint((features - mean) @ directions * STEPS), -127, 127).astype(np.int8)
    coordinates = points.astype(np.float32) / STEPS
    distances = _distances(coordinates, coordinates)
    distances[sources[:, None] == sources[None]] = np.inf
    radii = np.partition(distances, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS].mean(1)
    return Spectra(mean.astype(np.float32), directions.astype(np.float32), points, radii, np.inf, np.inf)


def _limit(strangeness: np.ndarray) -> float:
    """The k-th largest of n, k = FLAGGED_SHARE (n + 1): above it one more of the kind lies with a chance of 2%."""
    rank = max(1, int(FLAGGED_SHARE * (len(strangeness) + 1)))
    return float(np.sort(strangeness)[-rank])


def _whitening(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and directions (D, D) in which the features are uncorrelated with deviation 1, but for SHRINKAGE."""
    mean, deviation = features.mean(0), features.std(0) + 1e-3
    scaled = (features - mean) / deviation
    correlations = (1 - SHRINKAGE) * (scaled.T @ scaled) / len(scaled) + SHRINKAGE * np.eye(len(mean))
    values, vectors = np.linalg.eigh(correlations)
    return mean, vectors / np.sqrt(values) / deviation[:, None]


def _distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(Q, N) of (Q, D) and (N, D)."""
    squares = (some**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * some @ others.T
    return np.sqrt(np.maximum(squares, 0))


def _strangeness(distances: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """(Q,) of distances (Q, N)."""
    nearest = np.argpartition(distances, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    return np.take_along_axis(distances, nearest, 1).mean(1) / np.sqrt(radii[nearest].mean(1) + 1e-6)


def _number(values: dict[str, Any], name: str) -> float:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{_TEXT} has {name}={value!r}, no number; train the job again")
    return float(value)


def _spectra_as_json(spectra: Spectra) -> dict[str, Any]:
    def text(array: np.ndarray, kind: str) -> str:
        return base64.b64encode(array.astype(kind).tobytes()).decode()

    return {
        "limit": spectra.limit,
        "crop_limit": spectra.crop_limit,
        "mean": text(spectra.mean, "<f4"),
        "directions": text(spectra.directions, "<f4"),
        "points": text(spectra.points, "i1"),
        "radii": text(spectra.radii, "<f2"),
    }


def _spectra_from_json(values: Any) -> Spectra:
    if not isinstance(values, dict):
        raise ValueError(f"{_TEXT} has no readable spectra; train the job again")
    limits = _number(values, "limit"), _number(values, "crop_limit")
    if min(limits) < 0:
        raise ValueError(f"{_TEXT} has negative limits; train the job again")

    def array(name: str, kind: str, *shape: int) -> np.ndarray:
        text = values.get(name)
        try:
            if not isinstance(text, str) or len(text) > 4 * MAX_NUMBERS:
                raise ValueError
            found = np.frombuffer(base64.b64decode(text, validate=True), kind).reshape(shape)
        except ValueError:  # also what is no base64
            raise ValueError(f"{_TEXT} has no readable {name}; train the job again") from None
        if not np.isfinite(found).all():
            raise ValueError(f"{_TEXT} has {name} that are not finite; train the job again")
        return found if kind == "i1" else found.astype(np.float32)

    mean = array("mean", "<f4", NUM_FEATURES)
    directions = array("directions", "<f4", NUM_FEATURES, NUM_FEATURES)
    points = array("points", "i1", -1, NUM_FEATURES)
    radii = array("radii", "<f2", len(points))
    if len(points) < NEIGHBOURS or (radii < 0).any():
        raise ValueError(f"{_TEXT} has {len(points)} crops, or negative distances; train the job again")
    return Spectra(mean, directions, points, radii, *limits)
