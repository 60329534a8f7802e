"""The project's dashboard: a saved view of its workspace in Weights & Biases, built by wandb-workspaces.

Needs the optional extra `dashboard`. Building and checking it takes no account; saving it does.
"""

from typing import Any

import wandb
import wandb_workspaces.reports.v2.interface as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

SCORES = ("val_accuracy", "test_accuracy")
SEARCHED = (
    ("heads", False), ("model.d_model", False), ("model.num_layers", False), ("model.stem_width", False),
    ("model.dropout", False), ("optimizer.lr", True), ("optimizer.weight_decay", True),
)  # fmt: skip
SPREAD: dict[str, Any] = {"groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}  # over folds
CHARTS = {  # what tracking.py logs, and the charts of W&B's own that it uses
    "confusion_matrix": ("wandb/confusion_matrix/v1", ("Actual", "Predicted", "nPredictions")),
    "roc_curves": ("wandb/lineseries/v0", ("step", "lineKey", "lineVal")),
}


class NoAccount(RuntimeError):
    """There is no key, or no entity that the dashboard could belong to."""


def build_dashboard(project: str, entity: str, study: str | None = None) -> ws.Workspace:
    """The workspace, of one study or of the whole project. Runs are grouped by variant, so the folds stand together."""
    return ws.Workspace(
        name=f"audio_cls: {study or 'all studies'}",
        entity=entity,
        project=project,
        sections=[
            ws.Section(name="Which variant is better", panels=_scores(), is_open=True),
            ws.Section(name="Learning curves", panels=_learning_curves(), is_open=True),
            ws.Section(name="Hyper-parameters", panels=_hyper_parameters(), is_open=True),
            ws.Section(name="Classes", panels=_classes(), is_open=True),
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=expr.And(ws.Metric("Group") == study) if study else "",
            groupby=[ws.Config("study"), ws.Config("variant")],
            order=[ws.Ordering(ws.Summary("val_accuracy"), ascending=False)],
            pinned_columns=[f"summary:{name}" for name in (*SCORES, "status", "train_seconds", "num_parameters")],
        ),
    )


def as_json(dashboard: ws.Workspace) -> str:
    """What W&B would be sent. Raises pydantic's ValidationError for a panel that its schema does not know."""
    return dashboard._to_model().model_dump_json(by_alias=True, exclude_none=True, indent=1)


def outline(study: str | None = None) -> str:
    """The sections and how many panels they have, a line each."""
    sections = build_dashboard("project", "entity", study).sections
    return "\n".join(f"  {section.name}: {len(section.panels)} panels" for section in sections)


def save_dashboard(project: str, entity: str | None, study: str | None = None) -> str:
    """Saves the dashboard as a new view of the project; returns its address. Raises NoAccount."""
    wandb.setup(settings=wandb.Settings(silent=True))
    if not wandb.login(prompt=False, verify=False):
        raise NoAccount("no key: `wandb login` stores one")
    entity = entity or wandb.Api().default_entity
    if not entity:
        raise NoAccount("the account has no default entity; say which: --entity NAME")
    return build_dashboard(project, entity, study).save().url


def _scores() -> list[Any]:
    bars = [
        wr.BarPlot(
            title=f"{score} by {title}", metrics=[score], groupby=wr.Config(key), max_bars_to_show=most, **SPREAD
        )
        for key, title, most in (("heads", "heads: mean and spread over folds", None), ("variant", "variant", 50))
        for score in SCORES
    ]
    cost = wr.ScatterPlot(
        title="accuracy against size", x=wr.Config("num_parameters"), y=wr.SummaryMetric("val_accuracy"), log_x=True
    )
    return [*bars, cost]


def _learning_curves() -> list[Any]:
    return [
        wr.LinePlot(title=f"{metric} by variant", x="epoch", y=[metric], groupby=wr.Config("variant"), **SPREAD)
        for metric in ("val_accuracy", "val_loss", "train_accuracy", "train_loss", "lr")
    ]


def _hyper_parameters() -> list[Any]:
    columns = [wr.ParallelCoordinatesPlotColumn(metric=wr.Config(key), log=log) for key, log in SEARCHED]
    columns.append(wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric("val_accuracy")))
    return [
        wr.ParallelCoordinatesPlot(title="what good runs have in common", columns=columns),
        wr.ParameterImportancePlot(with_respect_to="val_accuracy"),
    ]


def _classes() -> list[Any]:
    return [
        wr.CustomChart(
            query={"summaryTable": {"tableKey": f"{split}_{name}_table"}},
            chart_name=chart,
            chart_fields={field: field for field in fields},
            chart_strings={"title": f"{name.replace('_', ' ')} ({split} clips)", "xname": "false positive rate"},
        )
        for split in ("val", "test")
        for name, (chart, fields) in CHARTS.items()
    ]
