"""What a model card says of flags: how often they are raised on held-out clips, and on noise and tones."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from audio_cls.data.profile import PROFILE, read_profile
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.flag_rates import NUM_GENERATED, FlagCounts, generated_rates
from audio_cls.serving.flags import UNLIKE, UNSURE


def count_unlike(folders: Iterable[Path]) -> tuple[int, int]:
    """Held-out clips of these jobs that were compared with the training clips, and how many of them are unlike; jobs
    that do not say count for nothing."""
    clips = unlike = 0
    for folder in folders:
        with suppress(ValueError):  # of another version
            if profile := read_profile(folder / PROFILE):
                clips, unlike = clips + profile.held_out, unlike + profile.held_out_unlike
    return clips, unlike


def flag_lines(classifier: LoadedClassifier, unlike: tuple[int, int]) -> list[str]:
    """Paragraphs; `unlike` as `count_unlike` gives it."""
    lines = []
    if classifier.profile is None:
        lines.append("The training clips are not described, so that no sound is flagged as unlike them.")
    elif unlike[0]:
        lines.append(f"Of {unlike[0]:,} held-out clips {unlike[1] / unlike[0]:.1%} are flagged `{UNLIKE}`.")
    rates = generated_rates(classifier)
    said = ", ".join(f"{name} in {_shares(counts)}" for name, counts in rates.items())
    lines.append(
        f"Sounds of none of the classes, {NUM_GENERATED} of each kind and as long as a crop, are flagged: {said}. Clips"
        " of classes that training left out were not tried with this model; `docs/unknown_sounds.md` of audio_cls has"
        " the figures of another."
    )
    return lines


def _shares(counts: FlagCounts) -> str:
    parts = [f"`{flag}` {counts.share(flag):.0%}" for flag in (UNLIKE, UNSURE)]
    return f"{counts.flagged / max(1, counts.sounds):.0%} ({', '.join(parts)})"
