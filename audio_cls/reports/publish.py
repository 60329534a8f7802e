"""Keeps the small files of a study in the repository, and writes the documents that show them."""

import re
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

import yaml

from audio_cls.analysis.compare import summarize
from audio_cls.analysis.ensemble import build_ensemble
from audio_cls.analysis.summary import Summary
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.files import write_json, write_text
from audio_cls.reports.markdown import markdown, markdown_table
from audio_cls.reports.tables import RUN_COLUMNS, column_table, interval_line, scores_cell, usual_sources
from audio_cls.results import job_files
from audio_cls.results.study import StudyError, is_job_folder, load_study
from audio_cls.wording import wrap_markdown

KEPT = (job_files.METRICS, job_files.HISTORY, job_files.PREDICTIONS, job_files.SPLIT, job_files.CONFIG)
ENSEMBLES = "ensembles.txt"  # a line for each --ensemble
# How something runs on one machine: not part of a study that others read or train again. Logger keys are not, either.
_LOCAL = ("output_dir", "jobs", "trainer.num_threads", "trainer.accelerator")
WRITTEN_BY = "Written by `make publish`"
_NEED_ROOT = ("folder", "esc50")  # data sets that are wherever the user has put them
# In a README: <!-- results: STUDY/VARIANT STUDY/VARIANT ... -->, these rows, and <!-- /results -->.
_MARKERS = re.compile(r"(<!-- results: (?P<names>[^>]+?) -->\n).*?(<!-- /results -->)", flags=re.DOTALL)
README_COLUMNS = ("Variant", "Accuracy", "Folds", "Parameters", "Time")


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
    _check_kept(target)
    for job in done:
        folder = target / job.name
        folder.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            shutil.copyfile(study / job.name / name, folder / name)
        _forget_machine(folder / job_files.CONFIG)
    _remove_others(target, {job.name for job in done})
    _write_lines(target / ENSEMBLES, ensembles)
    if commands := _lines(study / job_files.COMMANDS):
        data = _read_config(study / done[0].name / job_files.CONFIG)["data"]
        _write_lines(target / job_files.COMMANDS, dict.fromkeys(_portable(line, data) for line in commands))
    return target


def write_documents(results_dir: Path, document: Path, readme: Path) -> list[str]:
    """Writes the kept studies' summaries into `document`, and a short table where `readme` has markers for it.

    What a document has no room for stands in the summary.json that is written beside each study's files. Returns the
    names of the studies. Raises StudyError for a marker of a variant that is not kept.
    """
    summaries = {}
    parts = [
        "# Results",
        f"{WRITTEN_BY} from the files in results/, where each study has its summary.json, too."
        " Accuracy, F1 and AUROC in percent.",
    ]
    for folder in sorted(path for path in results_dir.iterdir() if path.is_dir()):
        study = load_study(folder)
        summary = summaries[folder.name] = summarize(study, _lines(folder / ENSEMBLES))
        write_json(folder / job_files.SUMMARY, asdict(summary))
        parts.append(re.sub(r"^(#+ )", r"#\1", markdown(summary), flags=re.MULTILINE).strip())
        if commands := _lines(folder / job_files.COMMANDS):
            parts.append("Trained by:\n\n" + "\n".join(f"    {line}" for line in commands))
        commits = sorted({str(job.metrics.get("commit")) for job in study.jobs})
        parts.append(f"Commit of the code: {', '.join(commits)}.")
    write_text(document, wrap_markdown("\n\n".join(parts)) + "\n")
    if readme.exists():
        content = _MARKERS.sub(
            lambda match: f"{match[1]}{wrap_markdown(_short_table(match['names'].split(), summaries))}\n{match[3]}",
            readme.read_text(encoding="utf-8"),
        )
        write_text(readme, content)
    return list(summaries)


def _short_table(names: Sequence[str], summaries: Mapping[str, Summary]) -> str:
    """The rows of these STUDY/VARIANTs with README_COLUMNS, and what the figures are."""
    rows = {f"{study}/{row.variant}": row for study, summary in summaries.items() for row in summary.rows}
    for name in names:
        if name not in rows:
            raise StudyError(f"the README shows {name}, which is not among the kept results; keep its study first")
    shown = [rows[name] for name in names]
    note = [DEVELOPMENT] if any(summaries[name.partition("/")[0]].ranking_split == "val" for name in names) else []
    note.append(f"± is over fold means. {interval_line(shown)}".strip())
    usual = usual_sources(row.ranking for row in shown)
    columns = {
        "Variant": lambda row: row.variant,
        "Accuracy": lambda row: scores_cell(row.ranking, usual),
        **RUN_COLUMNS,
    }
    table = column_table({name: columns[name] for name in README_COLUMNS}, shown)
    return f"{markdown_table(table)}\n\n{' '.join(note)}"


def _check_kept(target: Path) -> None:
    """Raises StudyError for files in the place of a kept study that were not put there by `keep_study`."""
    jobs = [path for path in target.glob("*/*") if is_job_folder(path)]
    others = [path for job in jobs for path in job.rglob("*") if path.name not in KEPT]
    if not jobs:
        others = [target / name for name in (ENSEMBLES, job_files.COMMANDS, job_files.SUMMARY)]
    if found := next((path for path in others if path.exists()), None):
        raise StudyError(f"{found} was not kept by this command, so {target} is not replaced; choose another place")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    """A file of these lines; without any, none."""
    path.unlink(missing_ok=True)
    if text := "".join(f"{line}\n" for line in lines):
        write_text(path, text)


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
    if "config_dir" in values:
        values["config_dir"] = _place(values["config_dir"])
    values["logger"] = None  # `jobs` stays: times of jobs side by side cannot be read without it
    write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _portable(command: str, data: Mapping[str, Any]) -> str:
    """The command without what holds for one machine only, and with the data set that it meant there.

    `data` is that block of a job's configuration, in which data=auto has become what it stood for. Of a place that has
    to be named the last part stays: data.root=PATH/my_sounds.
    """
    python, script, *words = shlex.split(command)
    root = data["root"]
    kept: list[str] = []
    for word in words:
        key, _, value = word.partition("=")
        key = key.lstrip("+~")
        if kept[-1:] == ["--config-dir"]:
            kept.append(_place(word))
        elif key == "--config-dir" and value:
            kept.append(f"{key}={_place(value)}")
        elif key == "data.root":
            root = value.strip("'\"")
        elif word != "data=auto" and key not in _LOCAL and key.split(".")[0] != "logger":
            kept.append(word)
    named = [] if any(word.startswith("data=") for word in kept) else [f"data={data['kind']}"]
    if data["kind"] in _NEED_ROOT:
        named.append(f"data.root={PurePath('PATH', PurePath(root or '').name)}")
    kept.sort(key=lambda word: word in ("-m", "--multirun"))  # only first or last is -m understood
    return shlex.join([python, script, *named, *kept])


def _place(folder: str) -> str:
    """A folder of the user's options as it was typed, but for where on one machine it lies."""
    return str(PurePath("PATH", PurePath(folder).name)) if PurePath(folder).is_absolute() else folder
