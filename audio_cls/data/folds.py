"""What columns and folders called 'fold' or 'split', '2', 'train' or 'dev' say: the fold of each clip, or its role."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from audio_cls.data.clips import ROLES, DataError
from audio_cls.wording import listed, ranges

ROLE_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}
_AROUND = re.compile(r"^x[ _-]|[ _-]?(set|data|dataset|split|part|clips|audio|wavs?)$")
MIN_FOLDS = 3  # one to test on, one to validate on, one to train on
FOLD = re.compile(r"fold[ _-]?([0-9]+)", re.IGNORECASE)  # the name of a folder
WHOLE = re.compile(r"([0-9]+)(\.0+)?")  # 1.0: as tables with gaps are written


@dataclass(frozen=True)
class Folds:
    """The fold of each row, from 1; of roles 1, 2 and 3 for train, val and test. No rows: nothing is said."""

    of: dict[int, int]
    has_roles: bool = False
    notes: tuple[str, ...] = ()


def role_of(word: str) -> str | None:
    """'train', 'val' or 'test' for a word that means it in any case, also as in 'train_set', 'test data' or 'X_val'."""
    return ROLE_OF.get(_AROUND.sub("", word.casefold()))


def part_of(word: str) -> str | None:
    """The role, or the number of the fold, that a folder's name says."""
    match = FOLD.fullmatch(word)
    return match[1] if match else role_of(word)


def read_folds(path: Path, what: str, values: dict[int, str]) -> Folds:
    """Folds from values by line number: all words for roles, or all numbers, which are counted in their order.

    `what` names them in messages: "column 'fold'". Raises DataError for other words, for empty values beside filled
    ones and for fewer folds than MIN_FOLDS.
    """
    counts = Counter(values.values())
    if set(counts) <= {""}:
        return Folds({})
    for line, value in values.items():
        if not value:
            raise DataError(f"{path}, line {line}: {what} is empty: give every clip a value, or none")
        if not role_of(value) and not WHOLE.fullmatch(value):
            raise DataError(
                f"{path}, line {line}: {what} says {value!r}: use numbers (1, 2, ...), or {listed(ROLES)} for clips "
                f"that keep their part"
            )
    roles = {line: role for line, value in values.items() if (role := role_of(value))}
    if roles and len(roles) < len(values):
        other = next(line for line, value in values.items() if (line in roles) != (next(iter(values)) in roles))
        raise DataError(f"{path}, line {other}: {what} says {values[other]!r} among others: use numbers, or words only")
    if roles:
        of = {line: 1 + ROLES.index(role) for line, role in roles.items()}
        return Folds(of, True, (f"clips of {path.name} have roles by {what}: {_shares(counts)}",))
    numbers = {line: int(value.partition(".")[0]) for line, value in values.items()}
    distinct = sorted(set(numbers.values()))
    if len(distinct) < MIN_FOLDS:
        raise DataError(
            f"{path}: {what} has {len(distinct)} values ({', '.join(map(str, distinct))}), at least {MIN_FOLDS} are "
            f"needed: add folds, or remove it and set data.num_folds"
        )
    of = {line: 1 + distinct.index(number) for line, number in numbers.items()}
    counted = f"folds {ranges(distinct)} by {what} of {path.name} are counted as published folds 1 to {len(distinct)}"
    return Folds(of, notes=() if distinct[-1] == len(distinct) and distinct[0] == 1 else (counted,))


def agree(path: Path, fold: Folds, split: Folds) -> Folds:
    """Of the columns fold and split the one that says something. Raises DataError where both do, and not the same."""
    if not fold.of or not split.of:
        return fold if fold.of else split
    if fold.has_roles != split.has_roles:
        raise DataError(f"{path}: one of the columns fold and split says folds, the other roles: remove one")
    for line, number in fold.of.items():
        if split.of[line] != number:
            raise DataError(f"{path}, line {line}: the columns fold and split contradict each other: remove one")
    return fold


def _shares(counts: Counter[str]) -> str:
    """'240 train, 80 val (Dev, valid), 80 test'."""
    parts = []
    for role in ROLES:
        words = sorted(word for word in counts if role_of(word) == role)
        if words:
            meant = "" if words == [role] else f" ({', '.join(words)})"
            parts.append(f"{sum(counts[word] for word in words)} {role}{meant}")
    return ", ".join(parts)
