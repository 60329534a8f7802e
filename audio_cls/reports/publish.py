"""Keeps the small files of a study in the repository, and writes the documents that show them."""

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

import yaml

from audio_cls.analysis.compare import summarize
from audio_cls.analysis.ensemble import build_ensemble
from audio_cls.files import write_json, write_text
from audio_cls.reports.markdown import markdown, result_table
from audio_cls.results import job_files
from audio_cls.results.study import StudyError, is_job_folder, load_study
from audio_cls.wording import wrap_markdown

KEPT = (job_files.METRICS, job_files.HISTORY, job_files.PREDICTIONS, job_files.SPLIT, job_files.CONFIG)
ENSEMBLES = "ensembles.txt"  # a line for each --ensemble
# How something runs on one machine: not part of a study that others read or train again. Logger keys are not, either.
_LOCAL = ("output_dir", "jobs", "trainer.num_threads", "trainer.accelerator")
_NEED_ROOT = ("folder", "esc50")  # data sets that are wherever the user has put them
_MARKERS = re.compile(r"(<!-- results: (?P<study>[\w.+-]+) -->\n).*?(<!-- /results -->)", flags=re.DOTALL)


def keep_study(study: Path, results_dir: Path, ensembles: Sequence[str] = ()) -> Path:
    """Copies the small files of a study's finished jobs to results_dir/<study>, without paths of this machine.

    Keeps with them which ensembles the documents show. All of it takes the place of what was kept before: jobs that the
    study does not have any more are removed.
    """
    target = results_dir / study.name
    loaded = load_study(study)
    done = [job for job in loaded.jobs if job.status == "done"]
    if not done:
        raise StudyError(f"{study} has no finished job to keep")
    for ensemble in ensembles:
        build_ensemble(loaded, ensemble)  # refused before anything is copied
    for job in done:
        folder = target / job.name
        folder.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            shutil.copyfile(study / job.name / name, folder / name)
        _forget_machine(folder / job_files.CONFIG)
    _remove_others(target, {job.name for job in done})
    if ensembles:
        write_text(target / ENSEMBLES, "".join(f"{ensemble}\n" for ensemble in ensembles))
    else:
        (target / ENSEMBLES).unlink(missing_ok=True)
    commands = study / job_files.COMMANDS
    if commands.exists():
        data = _read_config(study / done[0].name / job_files.CONFIG)["data"]
        lines = [_portable(line, data) for line in commands.read_text(encoding="utf-8").splitlines()]
        write_text(target / job_files.COMMANDS, "".join(f"{line}\n" for line in dict.fromkeys(lines)))
    return target


def write_documents(results_dir: Path, document: Path, readme: Path) -> list[str]:
    """Writes the kept studies' summaries into `document`, and their tables where `readme` has markers for them.

    What a document has no room for stands in the summary.json that is written beside each study's files. Returns the
    names of the studies. Raises StudyError for a marker of a study that is not kept.
    """
    summaries = {}
    parts = [
        "# Results",
        "Written by `audio-cls publish` from the files in results/, where each study has its summary.json, too."
        " Accuracy, F1 and AUROC in percent.",
    ]
    for folder in sorted(path for path in results_dir.iterdir() if path.is_dir()):
        ensembles = folder / ENSEMBLES
        asked = ensembles.read_text(encoding="utf-8").splitlines() if ensembles.exists() else []
        summary = summaries[folder.name] = summarize(load_study(folder), asked)
        write_json(folder / "summary.json", asdict(summary))
        commits = sorted({str(job.metrics.get("commit")) for job in load_study(folder).jobs})
        parts.append(re.sub(r"^(#+ )", r"#\1", markdown(summary), flags=re.MULTILINE).strip())
        commands = folder / job_files.COMMANDS
        if commands.exists():
            parts.append(
                "Trained by:\n\n" + "".join(f"    {line}\n" for line in commands.read_text().splitlines()).rstrip()
            )
        parts.append(f"Commit of the code: {', '.join(commits)}.")
    write_text(document, wrap_markdown("\n\n".join(parts)) + "\n")

    def table(match: re.Match[str]) -> str:
        if match["study"] not in summaries:
            raise StudyError(f"{readme} shows the study {match['study']}, which is not in {results_dir}; keep it first")
        return f"{match[1]}{wrap_markdown(result_table(summaries[match['study']]))}\n{match[3]}"

    if readme.exists():
        write_text(readme, _MARKERS.sub(table, readme.read_text(encoding="utf-8")))
    return list(summaries)


def _remove_others(target: Path, kept: Set[str]) -> None:
    """Removes kept jobs of other names, and the folders of variants that are left without any."""
    for folder in [path for path in target.glob("*/*") if is_job_folder(path)]:
        if f"{folder.parent.name}/{folder.name}" not in kept:
            shutil.rmtree(folder)
            if not any(folder.parent.iterdir()):
                folder.parent.rmdir()


def _read_config(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _forget_machine(path: Path) -> None:
    values = _read_config(path)
    values["data"]["root"] = None
    values["output_dir"] = "outputs"
    values["logger"] = None  # `jobs` stays: times of jobs side by side cannot be read without it
    write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _portable(command: str, data: Mapping[str, Any]) -> str:
    """The command without what holds for one machine only, and with the data set that it meant there.

    `data` is that block of a job's configuration, in which data=auto has become what it stood for. Of a place that has
    to be named the last part stays: data.root=PATH/my_sounds.
    """
    python, script, *words = shlex.split(command)
    root = data["root"]
    kept = []
    for word in words:
        key, _, value = word.partition("=")
        key = key.lstrip("+~")
        if key == "data.root":
            root = value.strip("'\"")
        elif word != "data=auto" and key not in _LOCAL and key.split(".")[0] != "logger":
            kept.append(word)
    named = [] if any(word.startswith("data=") for word in kept) else [f"data={data['kind']}"]
    if data["kind"] in _NEED_ROOT:
        named.append(f"data.root={PurePath('PATH', PurePath(root or '').name)}")
    kept.sort(key=lambda word: word in ("-m", "--multirun"))  # only first or last is -m understood
    return shlex.join([python, script, *named, *kept])
