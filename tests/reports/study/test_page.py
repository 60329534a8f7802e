"""The page about a study, made from result folders alone: no sounds, no checkpoints, no browser."""

import re

import numpy as np
import pytest
import yaml
from support.page_reader import Page, assert_asks_no_server, assert_links_lead_somewhere
from support.study_folders import edit_metrics, write_histories, write_job, write_variant
from support.tiny_jobs import plan_jobs

from audio_cls.analysis.calibration import expected_calibration_error
from audio_cls.analysis.compare import summarize
from audio_cls.cli.main import main
from audio_cls.figures.calibration import calibration_figure
from audio_cls.reports.study import charts
from audio_cls.reports.study.page import MAX_LISTED, write_report
from audio_cls.results.study import load_study

MEGABYTE = 1_000_000


def report(study) -> str:
    """The written page."""
    return write_report(study)[0].read_text(encoding="utf-8")


def first_line(content: str) -> str:
    return Page(content[content.index("<body>") :]).text.strip().splitlines()[0]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Heads 1, 2 and 4 and the CNN on four folds with two seeds: one failed, one missing."""
    folder = tmp_path_factory.mktemp("outputs") / "esc10-holdout"
    for heads, chance in ((1, 0.6), (2, 0.8), (4, 0.9)):
        write_variant(folder, f"transformer_h{heads}", seeds=(0, 1), chance=chance, heads=heads)
    write_variant(folder, "cnn", folds=range(3), seeds=(0, 1), chance=0.55)
    edit_metrics(folder / "cnn/fold2-seed1", status="failed", error="the loss is not finite")
    write_histories(folder)
    (folder / "commands.txt").write_text("python train.py heads=1,2,4 -m\n")
    return folder


@pytest.fixture(scope="module")
def content(study):
    return report(study)


@pytest.fixture(scope="module")
def text(content):
    return Page(content).text


def test_the_page_is_one_small_file_that_asks_no_server(content):
    assert_asks_no_server(content)
    assert_links_lead_somewhere(content)
    assert len(content) < 10 * MEGABYTE


def test_what_failed_or_is_missing_stands_in_the_first_line(content):
    line = first_line(content)
    assert line.startswith("29 of 32 jobs are done. Failed: cnn/fold2-seed1 (the loss is not finite).")
    assert "Missing: cnn/fold3-seed0, cnn/fold3-seed1." in line


def test_the_verdict_stands_below_the_first_line(text):
    assert re.search(r"^transformer_h4 is better than transformer_h2, .* points of accuracy \(p ", text, re.M)


def rows_of(content: str, caption: str) -> list[list[str]]:
    """The cells of the table with this caption, heading first."""
    table = re.search(rf"<caption>{caption}</caption>(.*?)</table>", content, re.S)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)
    return [[Page(cell).text.strip() for cell in re.findall(r"<t[hd].*?>.*?</t[hd]>", row, re.S)] for row in rows]


def test_every_job_stands_in_the_table_of_folds_and_seeds(content):
    rows = rows_of(content, "Accuracy of every job")
    assert rows[0] == ["Variant", "Seed", "Fold 0", "Fold 1", "Fold 2", "Fold 3", "Mean"]
    assert len(rows) == 1 + 4 * 2
    by_name = {tuple(row[:2]): row for row in rows}
    assert by_name["cnn", "1"][4:6] == ["failed", "missing"]
    accuracies = [float(cell) for cell in by_name["transformer_h4", "0"][2:]]
    assert accuracies[-1] == pytest.approx(sum(accuracies[:-1]) / 4, abs=0.06)


def test_a_seed_that_a_variant_lacks_altogether_is_missing_in_the_table(tmp_path):
    write_variant(tmp_path / "s", "a", folds=range(4), seeds=(0, 1))
    write_variant(tmp_path / "s", "b", folds=range(4))
    assert rows_of(report(tmp_path / "s"), "Accuracy of every job")[-1] == ["b", "1", *["missing"] * 4, "-"]


def test_cells_are_sorted_by_their_value_and_not_by_how_it_is_written(content):
    table = re.search(r"<caption>Variants, best first</caption>.*?</table>", content, re.S)[0]
    assert 'data-value="1000">1,000</td>' in table
    assert 'data-value="12.5">12 s</td>' in table


def test_a_click_on_a_heading_puts_the_best_first(content):
    table = re.search(r"<caption>Variants, best first</caption>.*?</thead>", content, re.S)[0]
    down = set(re.findall(r'<th scope="col"[^>]*? data-first="descending">([\w ]+)', table))
    assert {"Accuracy", "F1", "AUROC"} <= down
    assert down.isdisjoint({"Variant", "Parameters", "Time"})


def test_names_of_variants_break_at_underscores(content):
    assert "transformer_<wbr>h4" in content


def test_variants_have_one_colour_each_in_all_tables(content):
    found = set(re.findall(r'background: (#\w+)"></span>(\w+)', content.replace("<wbr>", "")))
    assert {name for _, name in found} == {"cnn", "transformer_h1", "transformer_h2", "transformer_h4"}
    assert len({colour for colour, _ in found}) == len(found) == 4


def test_heads_stand_side_by_side_and_every_variant_has_its_figures(content):
    alts = [image["alt"] for image in Page(content).attributes("img")]
    assert alts.count("Accuracy, F1 and AUROC over the number of heads") == 1
    for name in ("cnn", "transformer_h1", "transformer_h2", "transformer_h4"):
        for kind in ("Confusion matrix", "ROC curves", "Reliability diagram"):
            assert alts.count(f"{kind} of {name}") == 1
    assert alts.count("Loss and accuracy by epoch") == 1


def test_without_sounds_and_checkpoints_it_says_so_and_lists_the_wrong_clips(content):
    text = Page(content).text
    assert "keep no readable config.yaml that says where the clips are" in text
    assert not Page(content).attributes("audio")
    rows = rows_of(content, "Misclassified clips")[1:]
    assert 0 < len(rows) <= MAX_LISTED
    shares = [int(wrong) / int(of) for wrong, of in (row[3].split(" of ") for row in rows)]
    assert shares == sorted(shares, reverse=True)
    assert all(row[2].startswith({"Dog": "Rain", "Rain": "Dog"}[row[1]]) for row in rows)


def test_the_commands_that_made_the_study_are_repeated(content):
    assert "python train.py heads=1,2,4 -m" in content


def test_wrong_clips_are_counted_over_variants_and_seeds(tmp_path):
    for variant in ("a", "b"):
        write_job(tmp_path / "s", variant, num_clips=4, chance=1.0)
    path = tmp_path / "s/b/fold0-seed0/predictions.csv"
    path.write_text(re.sub(r"val,fold0/01.wav,.*", "val,fold0/01.wav,1,0,0.7,0.3", path.read_text()))
    edit_metrics(path.parent, val={"accuracy": 0.75, "f1_macro": 0.7, "auroc_macro": 0.9})
    heads, (clip, *cells) = rows_of(report(tmp_path / "s"), "Misclassified clips")
    assert heads == ["Clip", "Label", "Predicted as", "Wrong", "Probability of the label"]
    assert (clip, cells[1:]) == ("fold0/01.wav", ["Dog", "1 of 2", "60%"])


def test_one_job_has_a_page(tmp_path):
    write_job(tmp_path / "s", "cnn")
    content = report(tmp_path / "s")
    assert "reaches" in Page(content).text
    assert "No two finished variants differ in their number of heads alone." in Page(content).text


def test_clips_that_were_never_wrong_are_none(tmp_path):
    write_variant(tmp_path / "s", "cnn", chance=1.0)
    assert "None: every job classified every held-out clip correctly." in Page(report(tmp_path / "s")).text


@pytest.mark.slow
def test_a_hundred_jobs_of_many_variants_have_a_small_page_that_says_what_is_not_drawn(tmp_path):
    for number in range(25):
        write_variant(tmp_path / "s", f"variant_{number:02d}", chance=0.5 + number / 60)
    content = report(tmp_path / "s")
    text = Page(content).text
    assert first_line(content) == "All 100 jobs are done (25 variants)."
    assert "Of the best 12 variants; 13 more are in the tables only." in text
    assert len(rows_of(content, "Accuracy of every job")) == 26
    assert len(content) < 10 * MEGABYTE


@pytest.mark.parametrize("protocol", ["crossval", "all"])
def test_other_protocols_have_a_page(tmp_path, protocol):
    write_variant(tmp_path / "s", "cnn", folds=range(1 if protocol == "all" else 5), protocol=protocol)
    text = Page(report(tmp_path / "s")).text
    expected = {"crossval": "accuracy on test clips", "all": "nothing is ranked"}
    assert expected[protocol] in text
    assert ("There is no finished job with held-out clips." in text) == (protocol == "all")


def test_a_study_in_which_nothing_has_finished_has_a_page_that_says_so(tmp_path):
    write_job(tmp_path / "s", "cnn", status="failed", error="no <b>memory</b>")
    content = report(tmp_path / "s")
    assert first_line(content).startswith("0 of 1 jobs are done. Failed: cnn/fold0-seed0 (no <b>memory</b>).")
    assert "No finished job has a history" in Page(content).text
    assert not Page(content).attributes("img")


def test_an_empty_folder_has_a_page_that_says_so(tmp_path):
    (tmp_path / "s").mkdir()
    assert first_line(report(tmp_path / "s")) == "Nothing to compare: s holds no job."


@pytest.mark.parametrize("folds", [1, 3])
def test_a_reliability_diagram_names_the_calibration_error_of_the_summary(tmp_path, monkeypatch, folds):
    write_variant(tmp_path / "s", "cnn", folds=range(folds), seeds=(0, 1), chance=0.6)
    write_variant(tmp_path / "s", "cnn", folds=range(folds), seeds=(2,), chance=1.0)
    drawn = []

    def draw(bins, error, *arguments):
        drawn.append(error)
        return calibration_figure(bins, error, *arguments)

    monkeypatch.setattr(charts, "calibration_figure", draw)
    report(tmp_path / "s")
    jobs = [job.predictions["val"] for job in load_study(tmp_path / "s").jobs]
    by_seed = [[job for job in jobs if job.seed == seed] for seed in range(3)]
    errors = [
        expected_calibration_error(
            np.concatenate([job.probabilities for job in seed]), np.concatenate([job.labels for job in seed])
        )
        for seed in by_seed
    ]
    assert drawn == [pytest.approx(np.mean(errors))]
    if folds > 1:
        assert drawn == [summarize(load_study(tmp_path / "s")).rows[0].calibration.error]


def test_a_history_that_was_cut_off_does_not_stop_the_page(tmp_path):
    write_variant(tmp_path / "s", "cnn", folds=range(2))
    write_histories(tmp_path / "s")
    (tmp_path / "s/cnn/fold0-seed0/history.csv").write_text("epoch,train_loss\n0,0.5\n1,half")
    (tmp_path / "s/cnn/fold1-seed0/history.csv").write_text("no,such,columns\n1,2,3\n")
    assert "No finished job has a history" in Page(report(tmp_path / "s")).text


def config_of(job, **changes) -> dict:
    """The resolved configuration of a default job, as it stands in config.yaml."""
    (planned,) = plan_jobs(job, *(f"{key}={value}" for key, value in changes.items()))
    return {"preset": planned.preset, **planned.config.model_dump()}


def test_every_variant_has_the_command_and_configuration_that_train_it_again(tmp_path):
    for heads in (1, 2):
        for seed in (0, 1):
            folder = write_job(tmp_path / "s", f"tiny_h{heads}", seed=seed, heads=heads)
            stored = config_of(tmp_path, heads=heads, seed=seed)
            (folder / "config.yaml").write_text(yaml.safe_dump(stored, sort_keys=False))
    text = Page(report(tmp_path / "s")).text
    for heads in (1, 2):
        (command,) = re.findall(rf"^python train.py .*variant=tiny_h{heads} -m$", text, re.M)
        for argument in ("seed=0,1", "study=s", f"heads={heads}", "model.d_model=8", "data=folder"):
            assert argument in command.split()
    assert text.count("max_epochs: 2") == 2


def test_the_command_of_kept_results_names_no_place_of_the_machine_that_made_them(tmp_path, monkeypatch):
    folder = write_job(tmp_path / "s", "tiny_h4", heads=4)
    stored = config_of(tmp_path)
    stored["data"]["root"] = None
    (folder / "config.yaml").write_text(yaml.safe_dump(stored | {"output_dir": "outputs"}))
    monkeypatch.setenv("AUDIO_CLS_DATA", str(tmp_path))
    (command,) = re.findall(r"^python train.py .*variant=tiny_h4 -m$", Page(report(tmp_path / "s")).text, re.M)
    assert "data.root" not in command and "output_dir" not in command


def test_variants_that_differ_in_more_than_heads_do_not_stand_side_by_side(tmp_path):
    for heads, rate in ((1, 0.001), (2, 0.002)):
        folder = write_job(tmp_path / "s", f"transformer_h{heads}", heads=heads)
        (folder / "config.yaml").write_text(yaml.safe_dump(config_of(tmp_path, heads=heads, **{"optimizer.lr": rate})))
    assert "No two finished variants differ in their number of heads alone." in Page(report(tmp_path / "s")).text


def test_a_configuration_that_cannot_be_read_is_said_in_place_of_the_command(tmp_path):
    folder = write_job(tmp_path / "s", "cnn")
    assert "The command is not known: fold0-seed0 has no readable config.yaml." in Page(report(tmp_path / "s")).text
    (folder / "config.yaml").write_text("- not\n- a job's\n")
    assert re.search(r"The command is not known: .*config.yaml cannot be read", Page(report(tmp_path / "s")).text)


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_variant(tmp_path / "outputs/s", "cnn")
    return tmp_path / "outputs"


def test_the_command_writes_the_page_and_says_where(outputs, capsys):
    assert main(["report", "s"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "All 4 jobs are done (1 variant)."
    assert out[-1] == "page: outputs/s/report.html"
    assert main(["report", "s", "--out", "elsewhere/page.html"]) == 0
    assert (outputs.parent / "elsewhere/page.html").read_bytes() == (outputs / "s/report.html").read_bytes()


def test_an_ensemble_that_is_asked_for_stands_in_the_tables(outputs, capsys):
    write_variant(outputs / "s", "transformer_h4", chance=0.9)
    assert main(["report", "s"]) == 0
    before = (outputs / "s/report.html").read_text()
    assert main(["report", "s", "--ensemble", "cnn,transformer_h4"]) == 0
    after = (outputs / "s/report.html").read_text()
    name = "cnn + transformer_h4"
    assert name not in before
    assert Page(after).text.count(name) > 3  # variants, differences, classes
    assert after.count("<img") == before.count("<img")
    capsys.readouterr()
    assert main(["report", "s", "--ensemble", "cnn,zzz"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "status"), [({"status": "failed"}, 1), ({"status": "damaged"}, 1), ({"status": "interrupted"}, 0)]
)
def test_the_exit_status_is_that_of_the_comparison(outputs, changes, status):
    edit_metrics(outputs / "s/cnn/fold1-seed0", **changes)
    assert main(["report", "s"]) == main(["compare", "s"]) == status
    assert (outputs / "s/report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x"], "no study 'x'"),
        (["s", "--out", "page.txt"], "--out page.txt: the page is HTML; call it page.html"),
    ],
)
def test_a_mistake_is_one_line_with_status_2(outputs, capsys, arguments, message):
    assert main(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (outputs / "s/report.html").exists()


def test_jobs_that_must_not_be_mixed_have_no_page(outputs, capsys):
    edit_metrics(outputs / "s/cnn/fold0-seed0", dataset="other")
    assert main(["report", "s"]) == 2
    assert "mixes jobs" in capsys.readouterr().err


def test_a_page_in_the_place_of_a_folder_is_a_mistake(outputs, capsys):
    (outputs / "s/report.html").mkdir()
    assert main(["report", "s"]) == 2
    assert "report.html" in capsys.readouterr().err
