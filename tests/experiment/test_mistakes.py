"""What users get wrong: each mistake is one line on stderr, status 2, or 1 for bad data, and leaves nothing behind."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import CONF, REPOSITORY, contents, forbid_heavy_imports, write_esc10

from audio_cls.data import download
from audio_cls.experiment import launch, signals
from audio_cls.results import job_files

# What stands before the command line (data=synthetic, unless it names data itself) and a part of the answer.
MISTAKES = {
    # keys
    "trainer.max_epoch=3": "trainer.max_epoch is not a key of this configuration; did you mean trainer.max_epochs?",
    "modle=cnn": "did you mean model?",
    "zzz=1": "--help` lists the groups and keys",
    "+trainer.max_epoch=3": "did you mean trainer.max_epochs?",
    "+seed=3": "seed is a key already; write it without the +, as in seed=3",
    "optimizer.lr.x=3": "did you mean optimizer.lr?",
    "optimizer={lrr:0.1}": "optimizer.lrr is not a key of this configuration; did you mean optimizer.lr?",
    "logger=wandb +logger.team=me": "logger.team is not a key of this configuration; remove it",
    "~optimizer": "~optimizer removes what every job needs",
    "heads=2 heads=4": "heads is given more than once",
    "data.num_folds=5": "data.num_folds is not a key of data=synthetic; it belongs to data=folder",
    "model=cnn model.d_model=64": "model.d_model is not a key of model=cnn; it belongs to model=transformer",
    # groups
    "model=transfomer": "did you mean model=transformer? available: baseline, cnn, transformer",
    "trainer=fast": "trainer=fast does not exist; available: default",
    "model=null": "model=null names no option of the group; leave it out, or choose one of: baseline, cnn, transformer",
    "logger=": "choose one of: csv, none, wandb",
    "augment=[default,none]": "choose one of: default, none",
    "+model=cnn": "model is a group; write it without +, as in model=cnn",
    "model@other=cnn": "write model=OPTION without the @",
    "experiment=original_cnn model=transformer": "experiment= chooses the model already; leave out model=",
    "wandb=search": "wandb is not a group of this configuration",
    # the shape of an override
    "heads": "'heads' is not an override; write key=value",
    "=4": "'=4' has no key",
    "'heads = 4'": "'heads = 4' is not an override",
    "heads=[1,2": "the value of heads=[1,2 cannot be read; close brackets",
    "--foo": "--foo is not an option; -m sweeps, --help explains, ",
    "heads=": "heads= has no value; give it one",
    "study='${oc.env:NOT_THERE}'": "study cannot be resolved: ",
    # types and ranges
    "heads=two": "heads=two cannot be used: it must be an integer",
    "heads=null": "heads=null cannot be used: it must be an integer",
    "\"heads='4'\"": "heads=4 cannot be used: it must be an integer: write it without the quotes",
    "trainer.max_epochs=1e3": "it must be an integer: write 1000",
    "trainer.max_epochs=0": "trainer.max_epochs=0 cannot be used: it must be at least 1",
    "trainer.max_epochs=[1,2]": "trainer.max_epochs=[1, 2] cannot be used: it must be an integer",
    "optimizer.lr=fast": "optimizer.lr=fast cannot be used: it must be a number",
    "optimizer.lr=-0.1": "it must be greater than 0",
    "optimizer.lr=nan": "it must be a finite number",
    "optimizer=adam": "optimizer is a block of keys; set one of them, as in optimizer.KEY=VALUE",
    "optimizer.name=adan": "it must be 'adam' or 'adamw'; did you mean adam?",
    "augment.mix=yes!": "the value of augment.mix=yes! cannot be read",
    "protocol=kfold": "it must be 'holdout', 'crossval' or 'all'",
    "logger.log_checkpoint=yes_please": "logger.log_checkpoint=yes_please cannot be used: it must be true or false",
    "seed=-1": "it must be at least 0",
    "model.dropout=1": "it must be less than 1",
    "data.clips_per_class=30": "it must be a multiple of 20",
    "study=a/b": "it must be one word of letters, digits",
    "variant=..": "that does not begin with a dot",
    # models
    "heads=5": "heads=5 does not divide model.d_model=96; use heads=1|2|3|4|6|8|12|16",
    "model.d_model=97": "heads=4 does not divide model.d_model=97",
    "model.num_heads=2": "model.num_heads is set by heads; write heads=2",
    "model=cnn heads=2": "run two commands into one study: `audio-cls train model=cnn -m` and",
    "model=cnn +heads=2": "heads belongs to model=transformer",
    "model=baseline heads=2": "run two commands into one study: `audio-cls train model=baseline -m` and",
    "model=baseline trainer.max_epochs=3": "trainer.max_epochs=3 has no effect on model=baseline, which is fitted at",
    "model=baseline augment=default": "augment.random_crop=true has no effect on model=baseline",
    "model=baseline optimizer.lr=0.1": "optimizer.lr=0.1 has no effect on model=baseline, which is fitted at once",
    "model=baseline,cnn trainer.max_epochs=3 -m": "or train the other models by a command of their own into the same",
    "model=baseline model.n_fft=32000": "model.n_fft=32000 is longer than the crop",
    "model=baseline model.num_mels=512": "use model.num_mels=385 or less, or a larger model.n_fft",
    "model=baseline model.regularization=0": "model.regularization=0 cannot be used: it must be greater than 0",
    "model=baseline model.d_model=64": "model.d_model is not a key of model=baseline; it belongs to model=transformer",
    "experiment=original_transformer heads=3": "heads=3 does not divide model.d_model=2000; use heads=1|2|4",
    "model.n_fft=32000": "model.n_fft=32000 is longer than the crop",
    "model.hop_length=2048": "model.hop_length=2048 skips samples",
    "model.n_fft=256 model.num_mels=128": "use model.num_mels=95 or less, or a larger model.n_fft",
    "model.front_end=waveform": "use model.stem=waveform, channels or frames",
    "model.front_end=waveform model.stem=waveform augment.spectrogram_masks=0 input.crop_seconds=0.05": "1024",
    "experiment=original_transformer input.crop_seconds=2": "so model.d_model=4000",
    "experiment=original_transformer input.crop_seconds=0.9999": "model.stem=channels pools by 8",
    "experiment=original_transformer model.stem=frames": "whole time steps; use model.d_model=1280|2048|2560",
    "experiment=original_transformer model.stem=frames input.crop_seconds=0.9999": "model.stem=frames pools by 8",
    "model.num_layers=0": "use model.pool=mean, or model.num_layers=1 or more",
    "model=cnn augment.spectrogram_masks=2": "set augment.spectrogram_masks=0",
    "augment.gain_db=6": "set augment.gain_db=0",
    "model.hop_length=400 model.num_segments=40": "too short to show any modulation; use model.num_segments=12",
    "model.num_segments=2 model.front_end=log_mel": "needs model.front_end=log_mel_texture, not log_mel",
    "experiment=best model.num_mels=60": "use model.num_mels=64 or model.front_end=log_mel",
    "experiment=best input.crop_seconds=0.05 model.hop_length=1000": "use a shorter model.hop_length, longer crops",
    "augment.domain=power": "set augment.circular=true or augment.domain=waveform",
    "model=cnn augment.domain=power augment.circular=true": "set augment.domain=waveform",
    "trainer.weights=best trainer.validate_every=9 trainer.max_epochs=3": "set trainer.validate_every=3 or less",
    "input.silence_db=-3": "it must be at least 0",
    "input.sample_rate=3999": "it must be at least 4000",
    "input.sample_rate=384001": "it must be at most 384000",
    "model=cnn input.crop_seconds=0.9999": "it needs a multiple of 8: try input.crop_seconds=0.9995",
    # training
    "protocol=crossval trainer.early_stopping=5": "set trainer.early_stopping=0 or protocol=holdout",
    "protocol=crossval trainer.weights=best": "set trainer.weights=last or protocol=holdout",
    "trainer.batch_size=1": "leaves nothing to mix with",
    # folds
    "fold=4": "fold=4 does not exist: protocol=holdout on synthetic has the folds 0 to 3",
    "fold=-1": "fold=-1 cannot be used: it must be at least 0",
    "protocol=all fold=1": "protocol=all, which trains on every clip; use fold=0",
    # data
    "data=auto data.root=nowhere": "data.root=nowhere does not exist; give the folder with the clips",
    "data=folder data.root=sound": "sounds?",
    "data=folder data.root=~/(1)": "/(1) does not exist",
    "data=folder": "data=folder needs to know where the clips are: data.root=PATH, or AUDIO_CLS_DATA=PATH",
    "data=folder data.root=sounds data.source=*_{source}_*": "clips do not match (Cat/0.wav, ",
    "data=esc10 data.source=parent": "it belongs to data=folder",
    "data=folder data.root=sounds data.num_folds=20": "data.num_folds: 20 folds and a test set need at least 21 source",
    "data=folder data.root=sounds data.num_folds=1": "data.num_folds=1 cannot be used: it must be at least 2",
    "data=folder data.root=nothing.csv": "nothing.csv does not exist",
    "data=esc10 data.root=sounds": "holds 0 of the 10 class folders of ESC-10",
    "data=esc10 data.root=no_fold1 protocol=crossval fold=0": "published fold 1, which is not here",
    "data=esc10 data.root=no_fold1 protocol=crossval fold=1": "or set data.allow_missing=true",
    "data=esc10 data.root=no_fold3 fold=0": "training lacks published fold 3",
    "data=esc10 data.root=no_fold3 fold=1 data.allow_missing=true": "validates on published fold 3, which is not here",
    # places
    "output_dir=taken": "results cannot go to taken/synthetic-holdout/transformer_h4/fold0-seed0, as taken is a file",
    "output_dir=taken/below": "as taken is a file; choose another output_dir=PATH",
    "output_dir=sealed": "as sealed is read-only; choose another output_dir=PATH",
    f"output_dir={'long' * 70}": "choose another output_dir=PATH",
    "variant=taken trainer.max_epochs=4": "trainer.max_epochs (3 there, 4 now). Choose another study=NAME or variant=",
    # what belongs to train.py
    "hydra.sweep.dir=elsewhere": "hydra.sweep.dir is set by the program itself; output_dir= and study= say where",
    "hydra.mode=MULTIRUN": "hydra.mode is set by the program itself; add -m for a sweep",
    "hydra/sweeper=basic": "hydra/sweeper is set by the program itself",
    "hydra.launcher.n_jobs=4": "hydra.launcher.n_jobs is set by the program itself; jobs=N says how many",
    "hydra.verbos=true": "hydra.verbos is not a key of Hydra",
    "hydra/launcher=slurm": "hydra/launcher=slurm does not exist; available: ",
}
# Bad data in the right place: status 1.
BAD_DATA = {
    "data=folder data.root=empty": "holds no folders with audio files",
    "data=folder data.root=one_class": "holds one class only, 'Dog'",
    "data=folder data.root=hollow": "is empty: add clips to it or remove it",
    "data=folder data.root=strange": "but no sound that can be read (.xyz): convert them to wav or flac",
    "data=folder data.root=few": "class 'Cat' comes from 1 source recording",
    "data=folder data.root=no_label.csv": "column 'label' is missing (the nearest is 'labels')",
    "data=folder data.root=latin1.csv": "is not UTF-8 text",
    "data=folder data.root=lost.csv": "none of its 6 files exists",
}
# Mistakes of a single job only, or only of a sweep.
SINGLE_MISTAKES = {
    "heads=1,2": "heads=1,2 names several jobs: add -m to train them all, or give one value",
    "data=folder data.root=a,b": "or quote the text",
    "jobs=2": "jobs=2 runs the jobs of a sweep side by side; add -m, or leave it out",
}
SWEEP_MISTAKES = {
    "model=cnn,transformer heads=1,2": "run two commands into one study",
    "heads=1,2,5": "heads=5 does not divide model.d_model=96",
    "heads=1,1": "two jobs of this sweep would write to",
    "heads=1,2 variant=mine": "(heads=1, heads=2); leave out variant=",
    "fold=0,7": "fold=7 does not exist",
    "heads=range(4,1)": "heads=range(4,1) stands for nothing: it has no values",
    "heads=glob(*)": "glob(*) stands for the options of a group",
    "optimizer.lr=interval(0,1)": "has endless values; list them",
    "protocol=holdout,crossval": "have 4 or 5 folds; say which ones to train",
    "seed=range(0,100000)": "this sweep has 100,000 jobs; at most 10,000",
    "jobs=1,2": "jobs says how the sweep runs, so it takes one value",
    "jobs=2 hydra/launcher=basic": "jobs=2 needs hydra/launcher=joblib, not basic; leave one of them out",
    "jobs=0": "jobs=0 cannot be used: it must be at least 1",
    "data=auto,synthetic": "auto is one of the others; name the data sets",
    "data=auto data.root=sounds,few": "say what kind of data these are",
    "data=synthetic,folder": "data=folder needs to know where the clips are",
    "data=esc10 data.root=no_fold1 protocol=crossval": "fold=0 tests on published fold 1, which is not here",
}
# One of each section of MISTAKES: a sweep is checked at the same places.
IN_A_SWEEP_TOO = (
    "trainer.max_epoch=3", "model=transfomer", "--foo", "heads=two", "heads=5",
    "protocol=crossval trainer.weights=best",
    "fold=4", "output_dir=taken", "hydra.mode=MULTIRUN",
)  # fmt: skip
CASES = [
    *((line, False, answer) for line, answer in (MISTAKES | BAD_DATA | SINGLE_MISTAKES).items()),
    *((line, True, answer) for line, answer in SWEEP_MISTAKES.items()),
    *((line, True, MISTAKES[line]) for line in IN_A_SWEEP_TOO),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets of which only the names matter, in every state a user may leave them in."""
    root = tmp_path_factory.mktemp("workspace")
    for folder, files in {
        "sounds/Dog": [f"{clip}.wav" for clip in range(6)],
        "sounds/Cat": [f"{clip}.wav" for clip in range(6)],
        "few/Dog": [f"{clip}.wav" for clip in range(6)],
        "few/Cat": ["0.wav"],
        "one_class/Dog": ["0.wav", "1.wav"],
        "no_audio/Dog": ["notes.txt"],
        "no_audio/Cat": ["notes.txt"],
        "hollow/Dog": ["0.wav"],
        "hollow/Cat": [],
        "strange/Dog": ["0.wav"],
        "strange/Cat": ["0.xyz"],
        "empty": [],
        "sealed": [],
    }.items():
        (root / folder).mkdir(parents=True)
        for file in files:
            (root / folder / file).touch()
    (root / "taken").touch()
    (root / "no_label.csv").write_text("file,labels\nsounds/Dog/0.wav,Dog\n")
    (root / "latin1.csv").write_bytes("file,label\nsounds/Dog/0.wav,Höhe\n".encode("latin1"))
    (root / "lost.csv").write_text("file,label\n" + "".join(f"{clip}.wav,{clip % 2}\n" for clip in range(6)))
    write_esc10(root / "no_fold1", (2, 3, 4, 5))
    write_esc10(root / "no_fold3", (1, 2, 4, 5))
    return root


@pytest.fixture(autouse=True)
def _in_workspace(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_download(*_: object) -> None:
        raise AssertionError("a mistake must not start a download")

    monkeypatch.chdir(workspace)
    monkeypatch.setattr(download, "download_esc10", no_download)
    monkeypatch.setattr(signals, "handle", lambda *_: None)
    # Permissions do not stop the superuser, who may be running this.
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "sealed" and allowed(path, mode))


@pytest.fixture(scope="module", autouse=True)
def _result_of_another_configuration(workspace: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workspace)
        patch.setattr(signals, "handle", lambda *_: None)
        patch.setattr(job_files, "record_command", lambda *_: None)
        plan = launch.prepare(["data=synthetic", "variant=taken", "trainer.max_epochs=3"], CONF)
        job_files.write_config(plan.jobs[0])


def _arguments(line: str, multirun: bool) -> list[str]:
    arguments = shlex.split(line)
    if not any(argument.startswith("data=") for argument in arguments):
        arguments = ["data=synthetic", *arguments]
    return arguments + ["-m"] * multirun


@pytest.mark.parametrize(("line", "multirun", "answer"), CASES)
def test_a_mistake_is_one_line_status_2_or_1_for_bad_data_and_leaves_nothing_behind(
    line: str,
    multirun: bool,
    answer: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    forbid_heavy_imports(monkeypatch)
    before = contents(workspace)
    with pytest.raises(SystemExit) as end:
        launch.prepare(_arguments(line, multirun), CONF)
    output = capsys.readouterr()
    assert end.value.code == (1 if line in BAD_DATA else 2)
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert answer in output.err
    assert contents(workspace) == before


@pytest.mark.parametrize(
    "line",
    [
        "data=synthetic trainer.max_epoch=3 -m",
        "-m data=synthetic model=cnn heads=2",
        "data=synthetic model=cnn,transformer -m heads=1,2",
        "data=esc10 data.root=no_fold1 protocol=crossval -m",
        "data=folder data.root=few",
        "data=synthetic output_dir=taken -m",
        "--cfg job data=synthetic trainer.max_epoch=3",
    ],
)
def test_the_program_itself_ends_so_and_without_importing_torch(line: str, workspace: Path) -> None:
    before = contents(workspace)
    command = [sys.executable, "-X", "importtime", str(REPOSITORY / "train.py"), *shlex.split(line)]
    end = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = [text for text in end.stderr.splitlines() if not text.startswith("import time:")]
    imported = {text.split("|")[-1].strip() for text in end.stderr.splitlines() if text.startswith("import time:")}
    assert end.returncode == (1 if line in BAD_DATA else 2)
    assert end.stdout == ""
    assert len(said) == 1
    assert "Traceback" not in end.stderr
    assert "hydra" in imported
    assert not imported & {"torch", "lightning", "matplotlib", "sklearn", "wandb"}
    assert contents(workspace) == before


def test_a_result_that_cannot_be_written_is_noticed_when_permissions_do_not_tell(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system", "outputs")

    monkeypatch.setattr(job_files, "record_command", fail)
    with pytest.raises(SystemExit) as end:
        launch.prepare(["data=synthetic"], CONF)
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "outputs cannot be used (Read-only file system); choose another output_dir=PATH\n"
    )
