import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support.command_line import CONF, train, write_esc10, write_sounds

from audio_cls.config import job as job_module
from audio_cls.config.compose import compose_job
from audio_cls.config.job import Job, clips, num_folds, num_threads
from audio_cls.config.schema import Config, ConfigError, flatten
from audio_cls.data import download
from audio_cls.data.clips import DataError
from audio_cls.experiment import launch, signals, sound
from audio_cls.experiment import plan as plan_module
from audio_cls.experiment.fit import remarks
from audio_cls.experiment.plan import Plan, describe, make_plan, thread_warning
from audio_cls.results import job_files


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIO_CLS_CACHE", str(tmp_path / "cache"))


def plan(line: str, *more: str) -> Plan:
    """The plan of a command line without quotes in it; -m may stand anywhere."""
    arguments = [*line.split(), *more]
    overrides = [argument for argument in arguments if argument != "-m"]
    if not any(override.startswith("data=") for override in overrides):
        overrides.insert(0, "data=synthetic")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return make_plan(overrides, "-m" in arguments)


def job(line: str, *more: str) -> Job:
    (only,) = plan(line, *more).jobs
    return only


def folders(jobs: Plan) -> list[str]:
    return [str(job.folder) for job in jobs.jobs]


# --- names ---


@pytest.mark.parametrize(
    ("line", "variant"),
    [
        ("", "transformer_h4"),
        ("heads=2", "transformer_h2"),
        ("model=cnn", "cnn"),
        ("experiment=original_cnn", "original_cnn"),
        ("experiment=logmel_cnn", "logmel_cnn"),
        ("experiment=logmel_cnn model.num_layers=1", "logmel_cnn_h4_num_layers-1"),
        ("model=baseline", "baseline"),
        ("experiment=original_transformer", "original_transformer_h4"),
        ("optimizer.lr=0.0003", "transformer_h4_lr-0.0003"),
        ("model=cnn augment=none", "cnn_augment-none"),
        ("augment.mask_fraction=0.1 augment.mix=false", "transformer_h4_mix-false_mask_fraction-0.1"),
        ("trainer.max_epochs=3 model.dropout=0", "transformer_h4_dropout-0_max_epochs-3"),
        ("experiment=original_cnn trainer.max_epochs=5", "original_cnn_max_epochs-5"),
        ("variant=mine optimizer.lr=1", "mine"),
        # as the option says already, or without influence on the result
        ("optimizer.lr=0.001", "transformer_h4"),
        ("experiment=original_cnn trainer.max_epochs=100", "original_cnn"),
        ("seed=3 fold=2 logger=none trainer.num_threads=1 output_dir=elsewhere study=mine", "transformer_h4"),
        ("protocol=crossval data.clips_per_class=20", "transformer_h4"),
    ],
)
def test_a_variant_is_named_after_the_model_the_heads_and_what_was_changed(line: str, variant: str) -> None:
    assert job(line).variant == variant


def test_a_name_that_would_be_too_long_must_be_given() -> None:
    changes = (
        "optimizer.lr=0.123456 optimizer.weight_decay=0.123456 optimizer.warmup_fraction=0.12345 model.dropout=0.12345"
        " input.crop_seconds=1.23456 trainer.ema_decay=0.123456 augment.mask_fraction=0.1234 augment.time_scale=1.23456"
    )
    with pytest.raises(ConfigError, match="name this configuration: variant=NAME"):
        plan(changes)
    assert job(f"{changes} variant=mine").variant == "mine"


@pytest.mark.parametrize(
    ("line", "study"),
    [
        ("", "synthetic-holdout"),
        ("protocol=all", "synthetic-all"),
        ("study=2024", "2024"),
        ("data.name=fake", "fake-holdout"),
        ("data=folder data.root=sounds/", "sounds-holdout"),
        ("data=folder data.root=v1.2", "v1.2-holdout"),
        ("data=folder data.root=clips.csv", "clips-holdout"),
        ("data=folder data.root=sounds data.name=mine", "mine-holdout"),
        ("data=folder data.root=esc10", "esc10-folder-holdout"),
    ],
)
def test_a_study_is_named_after_the_data_and_the_protocol(line: str, study: str) -> None:
    for name in ("sounds", "v1.2", "esc10"):
        make_folder(Path(name))
    Path("clips.csv").write_text("file,label\n" + "".join(f"sounds/{c}/{n}.wav,{c}\n" for c in "ab" for n in range(6)))
    found = job(line)
    assert found.study == study
    assert found.dataset == clips(found).name


def test_a_folder_with_signs_in_its_name_gives_a_study_without() -> None:
    make_folder(Path("Meine Geräusche (1)"))
    found = job("data=folder", "data.root=Meine Geräusche (1)")
    assert found.study == "Meine_Geräusche_1_-holdout"
    assert found.dataset == "Meine Geräusche (1)"


def test_a_jobs_folder_is_study_variant_fold_and_seed() -> None:
    assert str(job("fold=2 seed=5 heads=1").folder) == "outputs/synthetic-holdout/transformer_h1/fold2-seed5"


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    make_folder(tmp_path / "home" / "sounds")
    found = job("data=folder data.root=~/sounds output_dir=~/results")
    assert found.folder.is_relative_to(tmp_path / "home" / "results")
    assert len(clips(found)) == 12


# --- settings that follow from the clips ---


@pytest.fixture
def digits() -> Path:
    """Half-second clips at 4 kHz, far more of one class than of the other."""
    return write_sounds(Path("digits"), {"one": 40, "two": 8}, seconds=0.5)


FROM_DIGITS = {"input.sample_rate": 4_000, "input.crop_seconds": 0.5, "input.eval_crops": 2, "model.hop_length": 20}


def numbers(found: Job) -> dict[str, object]:
    values = flatten(found.config.model_dump())
    return {key: values[key] for key in FROM_DIGITS}


def test_a_folder_takes_its_settings_from_the_clips_and_stores_numbers(digits: Path) -> None:
    found = job("data=folder data.root=digits")
    assert numbers(found) == FROM_DIGITS
    assert found.variant == "transformer_h4"
    assert Job.from_values(found.to_values()) == found


def test_what_is_given_goes_before_the_clips_and_names_the_variant_unless_it_is_the_same(digits: Path) -> None:
    line = "data=folder data.root=digits"
    given = job(f"{line} input.crop_seconds=1.0")
    assert numbers(given) == FROM_DIGITS | {"input.crop_seconds": 1.0}
    assert given.variant == "transformer_h4_crop_seconds-1"
    same = job(f"{line} input.crop_seconds=0.5 input.sample_rate=4000")
    assert (same.variant, numbers(same)) == ("transformer_h4", FROM_DIGITS)
    both = plan(f"{line} input.crop_seconds=auto,0.25 fold=0 -m").jobs
    assert [each.variant for each in both] == ["transformer_h4", "transformer_h4_crop_seconds-0.25"]


def test_a_preset_goes_before_the_clips_and_is_warned_of_where_it_cannot_fit(digits: Path) -> None:
    found = job("data=folder data.root=digits experiment=best")
    assert (found.config.input.sample_rate, found.config.input.crop_seconds) == (44_100, 5.0)
    crop, rate = [line for line in remarks([found]) if line.startswith("warning")]
    assert "experiment=best: input.crop_seconds=5 is mostly padding" in crop
    assert "input.sample_rate=44100 adds nothing" in rate
    assert found.variant == "best_h4"


def test_settings_from_the_clips_and_unequal_classes_are_said_once(digits: Path) -> None:
    unequal, unknown, settings = remarks(plan("data=folder data.root=digits heads=1,2 -m").jobs)
    assert "in training ('one' has 24 clips, 'two' 4)" in unequal and "data.balance=weights or sampling" in unequal
    assert unknown.startswith("note: source unknown for 48 of 48 clips: leakage cannot be excluded; data.source or ")
    assert "input.sample_rate=4000, input.crop_seconds=0.5" in settings
    assert not any("leakage" in said for said in remarks([job("data=folder data.root=digits protocol=all")]))
    assert "`audio-cls explore digits`" in settings
    assert "makes up for" in remarks([job("data=folder data.root=digits data.balance=weights")])[0]


def test_the_data_sets_of_this_project_keep_their_settings(downloads: list[Path]) -> None:
    for line in ("", "data=esc10", "data=auto", "input.crop_seconds=auto"):
        found = job(line)
        assert numbers(found) == {
            "input.sample_rate": 16_000, "input.crop_seconds": 1.0, "input.eval_crops": 10, "model.hop_length": 80,
        }  # fmt: skip
        assert (found.config.model.n_fft, found.config.trainer.batch_size) == (512, 32)
        assert (found.variant, remarks([found])) == ("transformer_h4", [])


def test_files_that_cannot_be_opened_leave_the_settings_as_usual() -> None:
    make_folder(Path("sounds"))
    assert numbers(job("data=folder data.root=sounds"))["input.sample_rate"] == 16_000


def test_unequal_classes_are_said_of_the_fold_whose_training_clips_are(digits: Path) -> None:
    rows = [f"{label}/{clip}.wav,{label},{1 + clip % 3}" for label in ("one", "two") for clip in range(6)]
    rows += [f"one/{clip}.wav,one,1" for clip in range(8, 18)]
    Path("digits/clips.csv").write_text("\n".join(["file,label,fold", *rows]))
    line = "data=folder data.root=digits/clips.csv protocol=crossval"
    assert not [said for said in remarks([job(f"{line} fold=0")]) if "differ in size" in said]
    (said,) = [said for said in remarks(plan(f"{line} heads=1,2 -m").jobs) if "differ in size" in said]
    assert "('one' has 14 clips, 'two' 4)" in said


def test_the_baseline_takes_weights_and_refuses_what_would_do_nothing(digits: Path) -> None:
    unequal = remarks([job("data=folder data.root=digits model=baseline")])[0]
    assert "data.balance=weights makes up" in unequal
    with pytest.raises(ConfigError, match=r"data\.balance=sampling has no effect .* use data\.balance=weights"):
        job("data=folder data.root=digits model=baseline data.balance=sampling")


def test_balance_names_the_variant() -> None:
    assert job("data.balance=sampling").variant == "transformer_h4_balance-sampling"


def test_clips_that_give_other_settings_later_are_refused(digits: Path) -> None:
    found = job("data=folder data.root=digits")
    found.folder.mkdir(parents=True)
    job_files.write_config(found)
    write_sounds(Path("digits"), {"three": 60}, seconds=1.5)
    again = job("data=folder data.root=digits")
    with pytest.raises(ConfigError, match=r"input\.crop_seconds \(0\.5 there, 1\.5 now\)"):
        job_files.check_folder(again)


def test_a_result_of_before_a_key_existed_was_made_with_its_default() -> None:
    found = job("")
    found.folder.mkdir(parents=True)
    job_files.write_config(found)
    path = found.folder / job_files.CONFIG
    path.write_text("".join(line for line in path.open() if "balance" not in line))
    job_files.check_folder(found)


# --- which jobs ---


def test_a_single_run_trains_fold_0_with_seed_0() -> None:
    found = job("")
    assert (found.config.fold, found.config.seed, found.heads) == (0, 0, 4)


def test_a_sweep_without_fold_trains_every_fold_of_each_variant_in_turn() -> None:
    assert folders(plan("heads=1,2 -m")) == [
        f"outputs/synthetic-holdout/transformer_h{heads}/fold{fold}-seed0" for heads in (1, 2) for fold in range(4)
    ]


@pytest.mark.parametrize("line", ["-m model=transformer heads=1,2", "model=transformer -m heads=1,2", "heads=1,2 -m"])
def test_it_does_not_matter_where_the_m_stands(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders(plan(line)) == folders(plan("heads=1,2 -m"))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_m_is_found_by_the_launcher_wherever_it_stands(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["data=synthetic", "heads=1,2"]
    arguments.insert(place, "-m")
    monkeypatch.setattr(signals, "handle", lambda *_: None)
    monkeypatch.setattr(launch.sweep, "announce", lambda _: None)
    found = launch.prepare(arguments, CONF)
    assert found.multirun
    assert len(found.jobs) == 8
    assert found.hydra_arguments[-1] == "-m"


def test_the_order_of_the_arguments_does_not_change_the_jobs() -> None:
    one, other = plan("heads=1,2 seed=0,1 optimizer.lr=0.1 -m"), plan("-m optimizer.lr=0.1 seed=0,1 heads=1,2")
    assert sorted(folders(one)) == sorted(folders(other))
    assert {without_logger(job) for job in one.jobs} == {without_logger(job) for job in other.jobs}


@pytest.mark.parametrize(
    ("line", "folds"),
    [
        ("fold=2,0 -m", [2, 0]),
        ("fold=1 -m", [1]),
        ("protocol=crossval -m", [0, 1, 2, 3, 4]),
        ("protocol=all -m", [0]),
        ("data=folder data.root=sounds -m", [0, 1, 2, 3]),
        ("data=folder data.root=sounds data.num_folds=3 -m", [0, 1, 2]),
        ("data=folder data.root=sounds data.num_folds=3 protocol=crossval -m", [0, 1, 2]),
    ],
)
def test_a_sweep_has_the_folds_of_its_protocol_and_data(line: str, folds: list[int]) -> None:
    make_folder(Path("sounds"))
    assert [job.config.fold for job in plan(line).jobs] == folds


@pytest.mark.parametrize(
    ("sweep", "heads"),
    [
        ("heads=1,2,4", [1, 2, 4]),
        ("heads=range(1,5)", [1, 2, 3, 4]),
        ("heads=choice(2,1)", [2, 1]),
        ("heads=sort(4,2)", [2, 4]),
        ("++heads=1,2", [1, 2]),
    ],
)
def test_hydras_ways_to_name_several_values_work(sweep: str, heads: list[int]) -> None:
    assert [job.heads for job in plan(f"{sweep} fold=0 -m").jobs] == heads


def test_a_glob_stands_for_the_options_of_a_group() -> None:
    assert [job.variant for job in plan("augment=glob(*) fold=0 -m").jobs] == [
        "transformer_h4",
        "transformer_h4_augment-none",
    ]


def test_models_may_be_swept_as_long_as_no_heads_are_named() -> None:
    assert [job.variant for job in plan("model=cnn,transformer fold=0 -m").jobs] == ["cnn", "transformer_h4"]


def test_one_study_cannot_hold_two_jobs_of_the_same_name() -> None:
    with pytest.raises(ConfigError, match=r"two jobs of this sweep would write to outputs/mine/x/fold0-seed0"):
        plan("study=mine variant=x augment=default,none -m")


# --- values ---


def test_forced_and_quoted_values_mean_what_plain_ones_mean() -> None:
    plain = job("study=abc trainer.max_epochs=3")
    assert job("++trainer.max_epochs=3", "study='abc'").config == plain.config
    assert job("trainer.max_epochs=3", 'study="abc"').config == plain.config


@pytest.mark.parametrize("name", ["it's (1)", "Geräusche & mehr", "a=b;c", "~x", "C#"])
def test_paths_may_hold_signs_that_mean_something_to_hydra(name: str) -> None:
    make_folder(Path(name))
    for written in (f"data.root={name}", f'data.root="{name}"'):
        assert job("data=folder", written).config.data.root == name


def test_a_comma_in_a_path_has_to_be_quoted() -> None:
    make_folder(Path("a,b"))
    with pytest.raises(ConfigError, match="or quote the text"):
        job("data=folder data.root=a,b")
    assert job("data=folder data.root='a,b'").config.data.root == "a,b"


def test_a_number_is_text_where_text_is_wanted() -> None:
    make_folder(Path("2024"))
    found = job("data=folder data.root=2024 variant=1 study=7")
    assert (found.config.data.root, found.variant, found.study) == ("2024", "1", "7")


def test_arguments_of_another_librarys_logger_may_be_added() -> None:
    assert job("logger=csv +logger.flush_logs_every_n_steps=1").config.logger["flush_logs_every_n_steps"] == 1


@pytest.mark.parametrize(
    "line",
    [
        "data=synthetic",
        "data=synthetic heads=2 optimizer.lr=1e-4 fold=3 seed=7",
        "data=synthetic model=cnn augment=none trainer.max_epochs=3",
        "data=folder data.root=somewhere data.num_folds=3",
        "experiment=original_transformer heads=2 data=esc10 protocol=crossval",
        "experiment=original_cnn logger=csv study='abc' optimizer={lr:0.5}",
        "++heads=2 ++trainer.weights=best logger=none",
        "logger=csv +logger.prefix=abc fold=${seed}",
    ],
)
def test_the_quick_composition_equals_hydras_own(line: str) -> None:
    overrides = line.split()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        expected = OmegaConf.to_container(compose("config", overrides=overrides), resolve=True)
        expected.pop("heads", None)  # it has become model.num_heads
        assert compose_job(overrides)[0] == expected


def test_the_jobs_that_hydra_runs_are_the_planned_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[Plan] = []
    ran: list[tuple[int, Job]] = []
    prepare = launch.prepare

    def recording(*arguments: object) -> Plan:
        planned.append(prepare(*arguments))
        return planned[-1]

    def run(overrides: list[str], number: int) -> None:
        describe.cache_clear()  # as in a process of its own
        ran.append((number, describe(tuple(overrides))))

    monkeypatch.setattr(launch, "prepare", recording)
    monkeypatch.setattr(launch, "run", run)
    monkeypatch.setattr(launch, "finish", lambda *_: 0)
    monkeypatch.setattr(sound, "_has_files", lambda _: False)  # they are empty
    monkeypatch.setattr(signals, "handle", lambda *_: None)
    monkeypatch.setattr(launch.sweep, "announce", lambda _: None)
    make_folder(Path("it's (1)"))
    line = [
        "data=folder",
        "data.root=it's (1)",
        "heads=range(1,3)",
        "++seed=0,1",
        "fold=0",
        "study='a'",
        "jobs=1",
        "-m",
    ]
    assert train(monkeypatch, *line) == 0
    assert [number for number, _ in ran] == list(range(4))
    for (_, job), expected in zip(ran, planned[0].jobs, strict=True):
        assert (job.config, job.folder, job.dataset) == (expected.config, expected.folder, expected.dataset)


def test_settings_of_hydra_are_passed_on() -> None:
    given = ["hydra/launcher=joblib", "hydra.launcher.batch_size=1", "hydra.verbose=true"]
    arguments = plan("jobs=2 -m", *given).hydra_arguments
    assert set(given) <= set(arguments)
    assert "hydra.launcher.n_jobs=2" in arguments
    assert arguments.count("hydra/launcher=joblib") == 1


def test_jobs_side_by_side_use_the_joblib_launcher() -> None:
    assert plan("jobs=3 -m").hydra_arguments[-3:] == ("hydra/launcher=joblib", "hydra.launcher.n_jobs=3", "-m")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what the plan is told of the machine."""

    def install(cores: int, gigabytes: int = 64, nvidia: bool = False, system: str = "linux") -> None:
        for module in (job_module, plan_module):
            monkeypatch.setattr(module, "num_cores", lambda: cores)
        monkeypatch.setattr(plan_module, "_memory", lambda: gigabytes * 2**30)
        monkeypatch.setattr(plan_module.shutil, "which", lambda _: "nvidia-smi" if nvidia else None)
        monkeypatch.setattr(plan_module.sys, "platform", system)

    return install


@pytest.mark.parametrize(
    ("line", "about", "expected"),
    [
        ("heads=1,2 -m", {"cores": 2}, 2),
        ("heads=1,2 -m", {"cores": 1}, 1),
        ("heads=1,2 -m", {"cores": 64}, 8),
        ("heads=1,2 fold=0 -m", {"cores": 64}, 2),
        ("fold=0 -m", {"cores": 2}, 1),
        ("heads=1,2 jobs=1 -m", {"cores": 8}, 1),
        ("heads=1,2 jobs=null -m", {"cores": 4}, 4),
        ("heads=1,2 -m", {"cores": 8, "gigabytes": 7}, 3),
        ("heads=1,2 -m", {"cores": 8, "gigabytes": 1}, 1),
        ("heads=1,2 -m", {"cores": 8, "nvidia": True}, 1),
        ("heads=1,2 -m", {"cores": 8, "system": "darwin"}, 1),
        ("heads=1,2 trainer.accelerator=cpu -m", {"cores": 8, "nvidia": True}, 8),
        ("heads=1,2 trainer.accelerator=gpu -m", {"cores": 8}, 1),
        ("heads=1,2 hydra/launcher=basic -m", {"cores": 8}, 1),
        ("heads=1,2 hydra/launcher=joblib -m", {"cores": 4}, 4),
    ],
)
def test_a_sweep_runs_as_many_jobs_at_once_as_the_machine_has_cores_for(
    line: str, about: dict, expected: int, machine: Callable[..., None]
) -> None:
    machine(**about)
    found = plan(line)
    assert {job.config.jobs for job in found.jobs} == {expected}
    assert f"jobs={expected}" in found.hydra_arguments
    assert ("hydra/launcher=joblib" in found.hydra_arguments) == (expected > 1)


@pytest.mark.parametrize("nvidia", [False, True])
def test_the_joblib_launcher_runs_as_many_jobs_as_their_threads_are_counted_for(
    nvidia: bool, machine: Callable[..., None]
) -> None:
    machine(cores=4, nvidia=nvidia)
    found = plan("heads=1,2 hydra/launcher=joblib -m")
    assert f"hydra.launcher.n_jobs={found.jobs[0].config.jobs}" in found.hydra_arguments
    assert found.jobs[0].config.jobs * num_threads(found.jobs[0].config) == 4


def test_jobs_side_by_side_share_the_cores_and_a_job_alone_has_them_all(machine: Callable[..., None]) -> None:
    machine(cores=4)
    assert num_threads(job("").config) == 4
    assert {num_threads(job.config) for job in plan("heads=1,2 -m").jobs} == {1}
    assert {num_threads(job.config) for job in plan("heads=1,2 jobs=2 -m").jobs} == {2}
    assert num_threads(job("trainer.num_threads=3").config) == 3


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("heads=1,2 -m", ""),
        ("heads=1,2 jobs=2 trainer.num_threads=1 -m", ""),
        ("trainer.num_threads=2", ""),
        ("heads=1,2 jobs=2 trainer.num_threads=2 -m", "warning: 2 jobs at once with 2 threads each share 2 cores"),
        ("heads=1,2 jobs=3 -m", "warning: 3 jobs at once with 1 thread each share 2 cores"),
        ("trainer.num_threads=3", "warning: 1 job at once with 3 threads each share 2 cores"),
        ("heads=1,2 fold=0 jobs=8 -m", ""),
    ],
)
def test_more_threads_than_cores_are_warned_of(line: str, warning: str, machine: Callable[..., None]) -> None:
    machine(cores=2)
    said = thread_warning(plan(line).jobs)
    assert said.startswith(warning)
    assert bool(said) == bool(warning)
    assert "\n" not in said


def test_the_sweep_of_one_study_belongs_into_its_folder() -> None:
    assert "hydra.sweep.dir='outputs/synthetic-holdout'" in plan("heads=1,2 -m").hydra_arguments
    assert "hydra.sweep.dir='outputs'" in plan("protocol=holdout,crossval fold=0 -m").hydra_arguments
    assert r"hydra.sweep.dir='it\'s/synthetic-holdout'" in plan("-m", "output_dir=it's").hydra_arguments


# --- data=auto ---


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders to which ESC-10 was downloaded, five clips a class instead of forty."""
    done: list[Path] = []

    def fake(destination: Path, **_: object) -> Path:
        done.append(destination)
        return write_esc10(destination, (1, 2, 3, 4, 5))

    monkeypatch.setattr(download, "download_esc10", fake)
    return done


def test_auto_downloads_esc10_into_the_cache_once(downloads: list[Path], tmp_path: Path) -> None:
    for _ in range(2):
        found = plan("data=auto")
        assert (found.jobs[0].config.data.kind, found.jobs[0].study) == ("esc10", "esc10-holdout")
        assert found.notices == ()
        assert "data=esc10" in found.hydra_arguments
    assert downloads == [tmp_path / "cache" / "esc10"]


def test_auto_is_the_default(downloads: list[Path]) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert make_plan([], False).jobs[0].dataset == "esc10"


def test_auto_falls_back_to_the_synthetic_set_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_download(monkeypatch)
    found = plan("data=auto heads=1,2 data.allow_missing=true -m")
    assert {job.dataset for job in found.jobs} == {"synthetic"}
    assert {job.study for job in found.jobs} == {"synthetic-holdout"}
    (notice,) = found.notices
    assert "no network" in notice
    assert "TRAINING ON THE SYNTHETIC SET INSTEAD" in notice
    assert "\n" not in notice


def test_auto_with_a_folder_uses_it(downloads: list[Path]) -> None:
    make_folder(Path("sounds"))
    write_esc10(Path("copy"), (1, 2, 3, 4, 5))
    assert job("data=auto data.root=sounds").config.data.kind == "folder"
    assert job("data=auto data.root=copy").config.data.kind == "esc10"
    assert downloads == []


def test_the_environment_says_where_the_clips_are_unless_the_command_line_does(monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(Path("sounds"))
    make_folder(Path("others"))
    monkeypatch.setenv("AUDIO_CLS_DATA", "sounds")
    assert job("data=auto").dataset == "sounds"
    assert job("data=folder").dataset == "sounds"
    assert job("data=auto data.root=others").dataset == "others"
    assert job("data=synthetic").dataset == "synthetic"


def test_an_environment_variable_that_points_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_CLS_DATA", "nowhere")
    with pytest.raises(ConfigError, match="AUDIO_CLS_DATA=nowhere does not exist"):
        plan("data=auto")


def test_an_empty_environment_variable_is_none(monkeypatch: pytest.MonkeyPatch, downloads: list[Path]) -> None:
    monkeypatch.setenv("AUDIO_CLS_DATA", "")
    monkeypatch.setattr(signals, "handle", lambda *_: None)
    monkeypatch.setattr(sound, "_has_files", lambda _: False)  # they are empty
    assert launch.prepare([], CONF).jobs[0].dataset == "esc10"


def test_a_mistake_is_found_before_data_are_downloaded(downloads: list[Path]) -> None:
    with pytest.raises(ConfigError, match="does not divide"):
        plan("data=auto heads=1,5 -m")
    assert downloads == []


def test_esc10_by_name_never_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_download(monkeypatch)
    with pytest.raises(DataError, match="no network"):
        plan("data=esc10")


# --- splits ---


def test_the_seed_never_changes_the_split_and_split_seed_never_the_training() -> None:
    make_folder(Path("sounds"))
    base, seeded, resplit = (
        job("data=folder data.root=sounds", change) for change in ("seed=0", "seed=1", "data.split_seed=1")
    )

    def digest(job: Job) -> str:
        return job_files.split_digest(clips(job), job.config.protocol, num_folds(job), job.config.data.split_seed)

    assert digest(base) == digest(seeded) != digest(resplit)
    assert base.folder != seeded.folder
    assert base.variant == seeded.variant == resplit.variant


def test_a_copy_of_esc10_without_its_test_fold_can_be_held_out_but_not_tested_on() -> None:
    write_esc10(Path("copy"), (2, 3, 4, 5))
    assert len(plan("data=esc10 data.root=copy -m").jobs) == 4
    with pytest.raises(ConfigError, match="choose another fold"):
        plan("data=esc10 data.root=copy protocol=crossval -m")
    with pytest.raises(ConfigError, match=r"data\.allow_missing=true"):
        plan("data=esc10 data.root=copy protocol=crossval fold=1,2 -m")
    allowed = plan("data=esc10 data.root=copy protocol=crossval fold=1,2 data.allow_missing=true -m")
    assert [job.config.fold for job in allowed.jobs] == [1, 2]


# --- cost ---


def test_a_plan_of_24_different_configurations_takes_little_time() -> None:
    plan("heads=1")  # composes the groups for the first time
    started = time.process_time()
    found = plan("heads=1,2,3,4 optimizer.lr=1,2,3,4,5,6 fold=0 -m")
    assert len({job.folder for job in found.jobs}) == 24
    assert time.process_time() - started < 1.5


def make_folder(folder: Path) -> None:
    """Two classes of six empty files: enough to plan with."""
    for name in "ab":
        (folder / name).mkdir(parents=True)
        for clip in range(6):
            (folder / name / f"{clip}.wav").touch()


def fail_to_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Path:
        raise DataError("no network")

    monkeypatch.setattr(download, "download_esc10", fail)


def without_logger(job: Job) -> Config:
    """Its configuration, so that it can be put into a set."""
    return job.config.model_copy(update={"logger": None})
