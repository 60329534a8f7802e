"""An exported model's folder, read: weights, numbers and names alone, each checked before it is used.

No code in the folder is run, nor any that its files name. docs/decisions/0019-exported-models.md has the format.
"""

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from audio_cls.models.build import build_network
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.serving.classifier import LoadedClassifier, LoadError
from audio_cls.serving.exported_config import ExportedConfig, read_config, read_labels

WEIGHTS, CONFIG, LABELS = "model.safetensors", "config.json", "labels.json"
TRAINING_CLIPS, SUMS, CARD = "training_clips.txt", "SHA256SUMS", "README.md"
ONNX, ONNX_EXAMPLE, PAGE = "model.onnx", "onnx_example.py", "model.html"
REQUIRED, OPTIONAL = (WEIGHTS, CONFIG, LABELS, TRAINING_CLIPS), (ONNX, ONNX_EXAMPLE, PAGE)
MAX_ELEMENTS = 500_000_000  # of all weights and what is computed beside them: 2 GB
_MAX_TEXT = 2**26  # bytes of a file that is no weights
_MAX_HEADER = 2**22  # bytes of a safetensors file before its weights
_AGAIN = "get the folder again, or export it again"


def load_exported(folder: Path) -> LoadedClassifier:
    """The classifier of an exported folder, on the CPU, its probabilities calibrated.

    Raises LoadError in one line where a file is missing, was altered since it was written, or holds what no export
    writes.
    """
    files = _Files(folder)
    config = read_config(files.first_look(CONFIG), folder / CONFIG)  # another version may have other files
    files.check_all()
    classes = read_labels(files.read(LABELS), folder / LABELS)
    clips = files.read(TRAINING_CLIPS).decode("ascii", "replace").splitlines()
    if wrong := [line for line in clips if not re.fullmatch("[0-9a-f]{16}", line)]:
        raise LoadError(f"{folder / TRAINING_CLIPS}: {wrong[0][:40]!r} is no digest of a clip; {_AGAIN}")
    network = _network(config, classes, files)
    return LoadedClassifier(
        module=ClipClassifier(network, config.normalize, config.silence_db).eval(),
        classes=classes,
        sample_rate=config.sample_rate,
        crop_samples=config.crop_samples,
        eval_crops=config.eval_crops,
        folder=folder,
        temperature=config.temperature,
        unsure_below=config.unsure_below,
        profile=config.profile,
        trained_on=frozenset(clips),
    )


@dataclass
class _Files:
    """The files of a folder, compared with its SHA256SUMS."""

    folder: Path

    def __post_init__(self) -> None:
        lines = self.first_look(SUMS).decode("utf-8", "replace").splitlines()
        self._sums: dict[str, str] = {}
        for line in lines:
            found = re.fullmatch("([0-9a-f]{64})  (.+)", line)
            if not found or found[2] not in (*REQUIRED, *OPTIONAL) or found[2] in self._sums:
                raise LoadError(f"{self.folder / SUMS}: no export writes the line {line[:100]!r}; {_AGAIN}")
            self._sums[found[2]] = found[1]
        if missing := [name for name in REQUIRED if name not in self._sums]:
            raise LoadError(f"{self.folder / SUMS} does not list {missing[0]}; {_AGAIN}")

    def check_all(self) -> None:
        """Raises LoadError unless every file that is listed is there as it was written."""
        for name, digest in self._sums.items():
            with self._path(name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise LoadError(f"{self._altered(name)}")

    def read(self, name: str, most: int = _MAX_TEXT) -> bytes:
        """The file as it was written; of no more than `most` bytes."""
        content = self.first_look(name, most)
        if hashlib.sha256(content).hexdigest() != self._sums[name]:
            raise LoadError(self._altered(name))
        return content

    def first_look(self, name: str, most: int = _MAX_TEXT) -> bytes:
        """The file as it is."""
        path = self._path(name)
        if (size := path.stat().st_size) > most:
            raise LoadError(f"{path} has {size:,} bytes, more than any export writes here; {_AGAIN}")
        return path.read_bytes()

    def _path(self, name: str) -> Path:
        path = self.folder / name
        if path.is_symlink() and not path.resolve().is_relative_to(self.folder.resolve()):
            raise LoadError(f"{path} is a link to a file elsewhere; put the file itself into the folder")
        if not path.exists():
            raise LoadError(f"{path} is missing; {_AGAIN}")
        if not stat.S_ISREG(path.stat().st_mode):
            raise LoadError(f"{path} is no file; {_AGAIN}")
        return path

    def _altered(self, name: str) -> str:
        return f"{self.folder / name} was altered: its SHA-256 is not the one in {SUMS}; {_AGAIN}"


def _network(config: ExportedConfig, classes: tuple[str, ...], files: _Files) -> nn.Module:
    """The network with its weights. Nothing large is allocated before the sizes are known to be those of the file."""
    path, where = files.folder / WEIGHTS, files.folder / CONFIG
    sizes = {
        "num_classes": len(classes),
        "sample_rate": config.sample_rate,
        "num_samples": config.crop_samples,
    }
    try:
        with torch.device("meta"):
            planned = build_network(config.model, **sizes)
    except Exception as error:
        reason = f"{error}".strip().partition("\n")[0]
        raise LoadError(f"{where} describes no network ({reason}); {_AGAIN}") from None
    elements = sum(tensor.numel() for tensor in (*planned.parameters(), *planned.buffers()))
    if elements > MAX_ELEMENTS:
        raise LoadError(f"{where} describes a network of {elements:,} numbers, more than {MAX_ELEMENTS:,}; {_AGAIN}")
    expected = planned.state_dict()
    needed = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    weights = _read_weights(files.read(WEIGHTS, needed + _MAX_HEADER), path)
    _check_weights(weights, expected, path)
    network = build_network(config.model, **sizes)
    network.load_state_dict(weights)
    return network


def _read_weights(content: bytes, path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        reason = f"{error}".strip().partition("\n")[0]
        raise LoadError(f"{path} cannot be read ({reason}); {_AGAIN}") from None


def _check_weights(weights: dict[str, Tensor], expected: dict[str, Tensor], path: Path) -> None:
    """Raises LoadError unless these are the network's tensors: names, shapes, types, and numbers that are numbers."""
    if differing := sorted(weights.keys() ^ expected.keys()):
        verb = "lacks" if differing[0] in expected else "holds"
        raise LoadError(f"{path} {verb} {differing[0]!r}, which does not fit {CONFIG}; {_AGAIN}")
    for name, tensor in weights.items():
        found, wanted = (f"{tuple(each.shape)} {each.dtype}" for each in (tensor, expected[name]))
        if found != wanted:
            raise LoadError(f"{path}: {name} is {found}, but {CONFIG} makes it {wanted}; {_AGAIN}")
        if not torch.isfinite(tensor).all():
            raise LoadError(f"{path}: {name} has values that are NaN or infinite; {_AGAIN}")
