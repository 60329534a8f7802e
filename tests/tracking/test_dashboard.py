import builtins
import json

import pytest
from support.tiny_jobs import plan_jobs
from support.wandb_server import WandbServer

from audio_cls.cli.main import main
from audio_cls.config.schema import flatten
from audio_cls.experiment.run_job import run_job
from audio_cls.tracking import dashboard


def panels(drawn: dict) -> dict[str, list[dict]]:
    """The panels by their kind."""
    found: dict[str, list[dict]] = {}
    for section in drawn["spec"]["section"]["panelBankConfig"]["sections"]:
        for panel in section["panels"]:
            found.setdefault(panel["viewType"], []).append(panel["config"])
    return found


def test_the_dashboard_shows_heads_with_their_spread_curves_hyper_parameters_and_classes():
    drawn = panels(json.loads(dashboard.as_json(dashboard.build_dashboard("p", "me"))))
    bars = [(bar["metrics"], bar["groupBy"], bar["groupAgg"], bar["groupArea"]) for bar in drawn["Bar Chart"]]
    assert (["val_accuracy"], "heads.value", "mean", "stddev") in bars
    curves = {tuple(curve["metrics"]): curve for curve in drawn["Run History Line Plot"]}
    assert curves["val_accuracy",]["xAxis"] == "epoch"
    assert curves["val_accuracy",]["groupBy"] == "variant.value"
    assert len(drawn["Parallel Coordinates Plot"]) == len(drawn["Parameter Importance"]) == 1
    assert {chart["panelDefId"] for chart in drawn["Vega2"]} == {"wandb/confusion_matrix/v1", "wandb/lineseries/v0"}


@pytest.mark.slow
def test_everything_that_the_dashboard_shows_is_something_that_a_job_sends(tmp_path, monkeypatch):
    (job,) = plan_jobs(tmp_path)
    with WandbServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        run_job(job)
        (received,) = server.runs.values()
    config = {f"config:{key}" for key in flatten(json.loads(received["config"]))}
    logged = {key.partition(".")[0] for row in received["rows"] for key in row} | received["summary"].keys()
    drawn = panels(json.loads(dashboard.as_json(dashboard.build_dashboard("p", "me"))))
    for panel in drawn["Bar Chart"] + drawn["Run History Line Plot"]:
        assert set(panel["metrics"]) <= logged
        assert f"config:{panel['groupBy']}" in config
    columns = [column["accessor"] for column in drawn["Parallel Coordinates Plot"][0]["columns"]]
    assert set(columns) <= config | {f"summary:{key}" for key in logged}
    tables = [
        field["args"][0]["value"]
        for chart in drawn["Vega2"]
        for field in chart["userQuery"]["queryFields"][0]["fields"]
        if field["name"] == "summaryTable"
    ]
    assert len(tables) == 4
    assert set(tables) <= logged


def test_a_study_is_shown_alone():
    drawn = json.loads(dashboard.as_json(dashboard.build_dashboard("p", "me", "heads")))
    (runs,) = drawn["spec"]["section"]["runSets"]
    assert [(rule["key"]["name"], rule["value"]) for rule in runs["filters"]["filters"]] == [("group", "heads")]


def test_without_a_key_the_command_says_what_it_would_save_and_can_write_it_to_a_file(tmp_path, capsys):
    assert main(["dashboard", "outputs/heads", "--json", str(tmp_path / "view.json")]) == 0
    assert json.loads((tmp_path / "view.json").read_text())["displayName"] == "audio_cls: heads"
    before = set(tmp_path.rglob("*"))
    assert main(["dashboard", "--project", "sounds"]) == 0
    said = capsys.readouterr().out
    assert "nothing saved (no key" in said
    assert "sounds" in said
    assert "Learning curves: 5 panels" in said
    assert {path for path in tmp_path.rglob("*") if path.suffix == ".json"} <= before


def test_with_a_key_the_command_saves_the_view_and_prints_its_address(monkeypatch, capsys):
    with WandbServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        assert main(["dashboard", "heads"]) == 0
        (view,) = server.views
    assert view["entityName"] == "me"
    assert view["projectName"] == "audio_cls"
    assert json.loads(view["spec"])["section"]["panelBankConfig"]["sections"]
    assert "/me/audio_cls" in capsys.readouterr().out


def test_a_server_that_refuses_is_one_line_and_status_1(monkeypatch, capsys):
    def refuse(*_):
        raise ConnectionError("403: no\nTraceback")

    monkeypatch.setattr(dashboard, "save_dashboard", refuse)
    assert main(["dashboard"]) == 1
    assert capsys.readouterr().err == "audio-cls dashboard: W&B did not take it: 403: no; Traceback\n"


def test_without_wandb_workspaces_the_command_says_how_to_install_it(monkeypatch, capsys):
    original = builtins.__import__

    def without(name, *arguments, **more):
        if name.startswith("wandb_workspaces") or (
            name == "audio_cls.tracking" and "dashboard" in (arguments[2] or ())
        ):
            raise ImportError(name)
        return original(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["dashboard"]) == 2
    assert "pip install 'audio_cls[dashboard]'" in capsys.readouterr().err
