"""Many clips in few lines: by the recording they come from, or by a pattern of their names."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

FEW_CLIPS = 12  # as many are listed by their names
Entries = Sequence[tuple[str, str]]  # a name, and what is said of it


def grouped(clips: Entries, source_of: Mapping[str, str | None]) -> Entries:
    """The clips as they are where they are few; else a line for each source, or each pattern of names, whichever makes
    fewer lines, where that is at most half as many as there are clips."""
    if len(clips) <= FEW_CLIPS:
        return clips
    by_pattern = _groups(clips, pattern)
    groups = by_pattern
    if all(source_of.get(name) is not None for name, _ in clips):
        by_source = _groups(clips, lambda name: f"source {source_of[name]}")
        groups = min(by_source, by_pattern, key=len)
    if len(groups) > len(clips) / 2:
        return clips
    return [_line(name, members) for name, members in sorted(groups.items(), key=lambda each: -len(each[1]))]


def pattern(name: str) -> str:
    """The name with a * for each number: 'one/*_anna_*.wav'."""
    return re.sub(r"\d+", "*", name)


def _groups(clips: Entries, key: Callable[[str], str]) -> dict[str, list[tuple[str, str]]]:
    groups = defaultdict(list)
    for name, said in clips:
        groups[key(name)].append((name, said))
    return groups


def _line(name: str, members: Entries) -> tuple[str, str]:
    if len(members) == 1:
        return members[0]
    alike = len({said for _, said in members}) == 1
    said = members[0][1] if alike else f"such as {members[0][0]}: {members[0][1]}"
    return name, f"{len(members)} clips{', ' * bool(said)}{said}"
