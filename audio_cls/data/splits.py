"""Which clips train, validate and test: the three protocols, and the checks that every split has to pass."""

import warnings
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from audio_cls.data.clips import ROLES, ClipSet, FewSourcesError, SplitError
from audio_cls.data.names import look_alikes
from audio_cls.data.same_sound import Groups, joined, note_parted

PROTOCOLS = ("holdout", "crossval", "all")
MIN_FOLDS = 2
MANY_CLIPS = 10_000  # from here on scikit-learn's splitter of groups takes minutes
MAX_SHUFFLES = 20  # scikit-learn may leave a part empty or a class out; another shuffle of the same clips may not


@dataclass(frozen=True)
class Split:
    """Indices into `clip_set.clips`, sorted; None where the protocol has no such part. `notes` are for the reader."""

    train: np.ndarray
    val: np.ndarray | None
    test: np.ndarray | None
    notes: tuple[str, ...] = ()


def published_folds(clip_set: ClipSet) -> int | None:
    """How many folds were published with the data set, absent ones included; None where clips carry no folds."""
    folds = [clip.fold for clip in clip_set.clips if clip.fold is not None]
    return clip_set.num_published_folds or max(folds) if folds else None


def num_folds(protocol: str, *, published: int | None, requested: int, has_roles: bool = False) -> int:
    """Number of jobs that a full rotation takes: `fold` counts from 0 to one below it. One where clips have roles."""
    if protocol not in PROTOCOLS:
        raise SplitError(f"protocol={protocol}: choose one of {', '.join(PROTOCOLS)}")
    if protocol == "all" or has_roles:
        return 1
    if published is not None:
        return published - 1 if protocol == "holdout" else published
    if requested < MIN_FOLDS:
        raise SplitError(f"data.num_folds={requested}: at least {MIN_FOLDS} are needed")
    return requested


def make_split(
    clip_set: ClipSet,
    protocol: str,
    fold: int,
    *,
    num_folds: int,
    split_seed: int,
    allow_missing: bool = False,
    identical: Groups = (),
    similar: Groups = (),
) -> Split:
    """One checked split. `num_folds` and `split_seed` matter only where no folds were published.

    holdout: the first part tests, part `fold + 2` validates, the others train. crossval: part `fold + 1` tests and the
    others train. all: every clip trains. Parts are the published folds, or else stratified parts that keep the clips of
    a source together. Clips with roles have one fold: see `_split_by_roles`. Raises SplitError for what cannot be split
    so.

    `identical` and `similar` are groups of clips, by index, that hold the same sound and probably do. Each group is
    kept together as a source is, but where the clips come with folds or roles, or too little is left to choose from:
    identical clips that are parted are refused then, similar ones noted.
    """
    published = None if clip_set.has_roles else published_folds(clip_set)
    count = _check_fold(protocol, fold, published, num_folds, clip_set.has_roles)
    notes: tuple[str, ...] = ()
    if protocol == "all":
        absent = sorted(set(range(1, (published or 0) + 1)) - {clip.fold for clip in clip_set.clips})
        notes += (f"training lacks published fold {', '.join(map(str, absent))}",) if absent else ()
        split = Split(np.arange(len(clip_set)), None, None, notes)
    elif clip_set.has_roles:
        split = _split_by_roles(clip_set, protocol, notes)
    else:
        num_parts = count + 1 if protocol == "holdout" else count
        test_part, val_part = (0, fold + 1) if protocol == "holdout" else (fold, None)
        if published is not None:
            parts = np.array([clip.fold for clip in clip_set.clips], dtype=int) - 1
            missing = [part for part in range(num_parts) if part not in parts]
            notes += _check_missing(missing, protocol, test_part, val_part, allow_missing)
        else:
            parts = _stratified_parts(clip_set, num_parts, protocol, split_seed, identical, similar)
        test = np.flatnonzero(parts == test_part)
        val = None if val_part is None else np.flatnonzero(parts == val_part)
        train = np.flatnonzero((parts != test_part) & (parts != val_part))
        split = Split(train, val, test if len(test) else None, notes)
    check_split(clip_set, split)
    if protocol == "all":
        return split
    return replace(split, notes=split.notes + note_parted(clip_set, _places(clip_set, split), identical, similar))


def check_split(clip_set: ClipSet, split: Split) -> None:
    """Raises SplitError unless the parts are disjoint and not empty, no source is in two of them, and every class is in
    training."""
    named = {"train": split.train, "val": split.val, "test": split.test}
    parts = {name: np.asarray(indices) for name, indices in named.items() if indices is not None}
    seen_clips: dict[int, str] = {}
    seen_sources: dict[str, str] = {}
    for part, indices in parts.items():
        if len(indices) == 0:
            raise SplitError(f"the {part} part of the split is empty: use fewer folds (data.num_folds) or add clips")
        if indices.min() < 0 or indices.max() >= len(clip_set):
            raise SplitError(f"the {part} part has an index outside 0 to {len(clip_set) - 1}: split again")
        for index in indices:
            clip = clip_set.clips[index]
            if index in seen_clips:
                raise SplitError(f"{clip.name!r} is in {seen_clips[index]} and again in {part}: split again")
            seen_clips[index] = part
            if clip.source is not None and seen_sources.setdefault(clip.source, part) != part:
                raise SplitError(
                    f"source {clip.source!r} is in {seen_sources[clip.source]} and in {part}: put all clips of a "
                    f"recording into one fold"
                )
    absent = set(range(len(clip_set.classes))) - {clip_set.clips[index].label for index in split.train}
    if absent:
        names = ", ".join(repr(clip_set.classes[label]) for label in sorted(absent))
        raise SplitError(f"no training clip of class {names}: use fewer folds (data.num_folds) or add recordings of it")


def _split_by_roles(clip_set: ClipSet, protocol: str, notes: tuple[str, ...]) -> Split:
    """The one split that the data come with. holdout trains on train and validates on val; crossval, which chooses
    nothing, trains on train and val. Both test on test."""
    train, val, test = (
        np.array([index for index, clip in enumerate(clip_set.clips) if clip.fold == fold], dtype=int)
        for fold in range(1, len(ROLES) + 1)
    )
    if protocol == "holdout" and not len(val):
        raise SplitError(
            "protocol=holdout validates on val clips, and the data come with none: make some of the train clips val, "
            + "or "
            + ("use protocol=crossval, which trains on train and tests on test" if len(test) else "use protocol=all")
        )
    if protocol == "crossval" and not len(test):
        raise SplitError(
            "protocol=crossval tests on test clips, and the data come with none: make some of the clips test, or use "
            + ("protocol=holdout, which validates on val" if len(val) else "protocol=all")
        )
    if protocol == "holdout":
        means = "trained on train, validated on val, " + ("tested on test" if len(test) else "no test clips")
        notes += (f"the data come with their split, so there is one fold: {means}",)
        return Split(train, val, test if len(test) else None, notes)
    means = "trained on train and val, tested on test" if len(val) else "trained on train, tested on test"
    notes += (f"the data come with their split, so there is one fold: {means}",)
    return Split(np.sort(np.concatenate([train, val])), None, test, notes)


def _check_fold(protocol: str, fold: int, published: int | None, requested: int, has_roles: bool) -> int:
    count = num_folds(protocol, published=published, requested=requested, has_roles=has_roles)
    if count < 1 or (published is not None and protocol != "all" and published < MIN_FOLDS + (protocol == "holdout")):
        raise SplitError(f"protocol={protocol} needs more than the {published} published folds: use protocol=all")
    if not 0 <= fold < count:
        choices = "only fold=0 exists" if count == 1 else f"choose fold=0 to fold={count - 1}"
        raise SplitError(f"fold={fold}: protocol={protocol} has {count} fold{'s' * (count > 1)} here, {choices}")
    return count


def _check_missing(
    missing: list[int], protocol: str, test_part: int, val_part: int | None, allow_missing: bool
) -> tuple[str, ...]:
    """What to note about parts that are not here, numbered from 0. Raises SplitError where they cannot be spared."""
    if protocol == "crossval" and test_part in missing:
        raise SplitError(
            f"fold={test_part} tests on published fold {test_part + 1}, which is not here: choose another fold"
        )
    if val_part is not None and val_part in missing:
        raise SplitError(
            f"fold={val_part - 1} validates on published fold {val_part + 1}, which is not here: choose another fold"
        )
    notes = ("published fold 1, the test set, is absent: there are no test results",) if test_part in missing else ()
    lost = [str(part + 1) for part in missing if part != test_part]
    if lost and not allow_missing:
        raise SplitError(
            f"training lacks published fold {', '.join(lost)}, so results would not compare with published ones: "
            f"get the whole data set, or set data.allow_missing=true"
        )
    return notes + ((f"training lacks published fold {', '.join(lost)}",) if lost else ())


def _places(clip_set: ClipSet, split: Split) -> list[str]:
    """Where each clip lies that must not be parted from others: its published fold, or the part of the split."""
    if not clip_set.has_roles and published_folds(clip_set) is not None:
        return [f"fold {clip.fold}" for clip in clip_set.clips]
    places = [""] * len(clip_set)
    for part in ("train", "val", "test"):
        for index in () if (indices := getattr(split, part)) is None else indices.tolist():
            places[index] = part
    return places


def _stratified_parts(
    clip_set: ClipSet, num_parts: int, protocol: str, split_seed: int, identical: Groups, similar: Groups
) -> np.ndarray:
    """The part of each clip, the same for every fold of a rotation: classes spread evenly, sources kept whole, and
    clips that hold the same sound; those that only seem to as far as the clips allow it."""
    if similar:
        try:
            return _stratified_parts(clip_set, num_parts, protocol, split_seed, [*identical, *similar], ())
        except SplitError:
            pass
    labels = np.array([clip.label for clip in clip_set.clips])
    numbers: dict[tuple[str, str], int] = {}
    keys = [("clip", clip.name) if clip.source is None else ("source", clip.source) for clip in clip_set.clips]
    groups = joined(np.array([numbers.setdefault(key, len(numbers)) for key in keys]), identical)
    counted = ", clips with the same sound counted as one" if identical else ""
    _check_groups(clip_set, labels, groups, num_parts, protocol, counted)
    if len(labels) > MANY_CLIPS and all(clip.source is None for clip in clip_set.clips):
        firsts = np.unique(groups, return_index=True)[1]  # dealt as if alone, the few copies follow
    else:
        firsts = np.arange(len(labels))
    for deal in (_stratified_deal, _plain_deal):
        for shuffle in range(MAX_SHUFFLES):
            seed = int(np.random.SeedSequence([split_seed, shuffle]).generate_state(1)[0])
            parts = deal(labels[firsts], groups[firsts], num_parts, seed)
            parts = parts[groups] if len(firsts) < len(labels) else parts
            if _is_usable(parts, labels, num_parts, protocol, len(clip_set.classes)):
                return parts
    raise SplitError(
        f"no split into {num_parts} parts leaves every class in training and no part empty, as sources are kept whole: "
        f"use fewer folds (data.num_folds) or add recordings"
    )


def _check_groups(
    clip_set: ClipSet, labels: np.ndarray, groups: np.ndarray, num_parts: int, protocol: str, counted: str
) -> None:
    """`counted` says how, where that is not by sources alone."""
    count = len(np.unique(groups))
    if count < num_parts:
        parts = f"{num_parts - 1} folds and a test set" if protocol == "holdout" else f"{num_parts} folds"
        raise SplitError(
            f"data.num_folds: {parts} need at least {num_parts} source recordings, the data set has {count}{counted}: "
            f"set data.num_folds lower or add recordings"
        )
    sources_of_class = Counter(label for label, _ in set(zip(labels.tolist(), groups.tolist(), strict=True)))
    for label, name in enumerate(clip_set.classes):
        if sources_of_class[label] < 2:
            raise FewSourcesError(
                f"class {name!r} comes from {sources_of_class[label]} source recording{counted}, at least 2 are needed "
                f"to train and to evaluate on it: add recordings of it, or use protocol=all"
                + "".join(f" ({note})" for note in look_alikes("classes", clip_set.classes))
            )


def _stratified_deal(labels: np.ndarray, groups: np.ndarray, num_parts: int, seed: int) -> np.ndarray:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    # scikit-learn refuses to begin, or leaves parts empty where each source is to be one.
    if np.bincount(labels).max() < num_parts or groups.max() + 1 == num_parts:
        return _plain_deal(labels, groups, num_parts, seed)
    alone = len(np.unique(groups)) == len(groups)  # then the plain splitter does the same, in a fraction of the time
    splitter = (StratifiedKFold if alone else StratifiedGroupKFold)(num_parts, shuffle=True, random_state=seed)
    parts = np.empty(len(labels), dtype=int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer clips than parts: _is_usable decides
        for part, (_, indices) in enumerate(splitter.split(labels, labels, groups)):
            parts[indices] = part
    return parts


def _plain_deal(labels: np.ndarray, groups: np.ndarray, num_parts: int, seed: int) -> np.ndarray:
    """Sources dealt out like cards, class by class, from a random class and part on: evens out sources, not clips, and
    leaves no part empty."""
    random = np.random.default_rng(seed)
    num_groups = groups.max() + 1
    class_of_group = np.empty(num_groups, dtype=int)
    class_of_group[groups] = random.permutation(labels.max() + 1)[labels]
    order = random.permutation(num_groups)
    order = order[np.argsort(class_of_group[order], kind="stable")]
    part_of_group = np.empty(num_groups, dtype=int)
    part_of_group[order] = (np.arange(num_groups) + random.integers(num_parts)) % num_parts
    return part_of_group[groups]


def _is_usable(parts: np.ndarray, labels: np.ndarray, num_parts: int, protocol: str, num_classes: int) -> bool:
    counts = np.zeros((num_parts, num_classes), dtype=int)
    np.add.at(counts, (parts, labels), 1)
    if (counts.sum(axis=1) == 0).any():
        return False
    if protocol == "holdout":
        counts = counts[1:]
    return bool((counts.sum(axis=0) - counts > 0).all())  # every class trains, whichever part is left out
