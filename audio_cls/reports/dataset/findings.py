"""What is worth knowing about a data set before training on it, most important first, with what to do about it."""

from collections.abc import Callable, Iterator

from audio_cls.reports.dataset import recording_rules, sound_rules
from audio_cls.reports.dataset.finding import SEVERITIES, Finding
from audio_cls.reports.dataset.survey import Survey

RULES: tuple[Callable[[Survey], Iterator[Finding]], ...] = (
    recording_rules.notes,
    sound_rules.unusable,
    recording_rules.sources_over_folds,
    recording_rules.single_sources,
    recording_rules.contradictions,
    recording_rules.hidden_copies,
    recording_rules.unknown_sources,
    sound_rules.assumed,
    sound_rules.silent_clips,
    sound_rules.constant,
    sound_rules.cancelled,
    sound_rules.rates,
    sound_rules.mostly_silent,
    sound_rules.late,
    recording_rules.imbalance,
    recording_rules.few_sources,
    sound_rules.levels,
    sound_rules.clipped,
    sound_rules.durations,
    recording_rules.plain_shuffle,
    recording_rules.sources_over_classes,
    recording_rules.missing_folds,
    sound_rules.channels,
    sound_rules.offsets,
    sound_rules.excerpted,
)


def find(survey: Survey) -> list[Finding]:
    """All findings; within a severity in the order of the rules above."""
    found = [finding for rule in RULES for finding in rule(survey)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
