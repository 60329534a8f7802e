"""A trained classifier, ready for new sound."""

from pathlib import Path

from audio_cls.serving.classifier import LoadedClassifier, LoadError
from audio_cls.serving.exported import CONFIG, SUMS, load_exported
from audio_cls.serving.job import load_job

__all__ = ["LoadError", "LoadedClassifier", "load_classifier"]

EXAMPLE = "outputs/STUDY/VARIANT/fold0-seed0"


def load_classifier(folder: Path) -> LoadedClassifier:
    """The classifier of a job's folder or of an exported one, on the CPU; no code in the folder is run.

    Raises LoadError where there is none or it cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise LoadError(f"{folder} {what}; give a job's folder, as in {EXAMPLE}, or what audio-cls export wrote")
    if (folder / "config.yaml").exists():
        return load_job(folder)
    if any((folder / name).exists() for name in (CONFIG, SUMS)):
        return load_exported(folder)
    jobs = sorted(found.parent for depth in ("*", "*/*") for found in folder.glob(f"{depth}/config.yaml"))
    hint = (
        f"name one job in it, as {jobs[0]}"
        if jobs
        else "it holds neither config.yaml nor config.json; give one as " + EXAMPLE
    )
    raise LoadError(f"{folder} is not a job's folder, nor an exported model's ({hint})")
