"""A trained classifier as one ONNX file: waveforms in, probabilities out, everything between them within the graph.

Axis letters: B batch, S samples of a sound, C crops of a sound, T samples of a crop, K classes.
"""

import copy
import importlib.util
import json
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_cls import __version__
from audio_cls.files import replacing
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.exported import ONNX_EXAMPLE
from audio_cls.wording import UserError

NEEDED = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18
TOLERANCE = 1e-4  # of a probability, between torch and ONNX Runtime
FOLDED_ELEMENTS = 512  # constants up to this size are computed now, larger ones when the file is loaded: it stays small


class OnnxError(UserError):
    """A classifier that cannot be written as ONNX, in one line."""


class SoundProbabilities(nn.Module):
    """What `LoadedClassifier.probabilities` computes, for a batch of sounds of one length: (B, S) -> (B, K).

    The rules of `batches.evaluation_crops`, in operations that can be exported for any B and S.
    """

    def __init__(self, classifier: LoadedClassifier) -> None:
        super().__init__()
        self.module = copy.deepcopy(classifier.module).cpu().eval()
        self.crop_samples = classifier.crop_samples
        self.eval_crops = classifier.eval_crops
        self.calibrated = classifier.calibrated

    def forward(self, waveform: Tensor) -> Tensor:
        room = torch.scalar_tensor(waveform.shape[1] - self.crop_samples, dtype=torch.float64).clamp(min=0)
        num_crops: Any = self.eval_crops
        if num_crops > 1:  # crops of a sound that is no longer than one are the same; one is enough
            num_crops = torch.where(room > 0, num_crops, 1).item()
            torch._check(num_crops >= 1)
            torch._check(num_crops <= self.eval_crops)
        # In double precision, half to even, as numpy rounds.
        step = room / max(1, self.eval_crops - 1)
        starts = (torch.arange(num_crops, dtype=torch.float64) * step).round().long()
        places = starts.unsqueeze(1) + torch.arange(self.crop_samples)  # (C, T)
        # A crop reaches into the zeros only if the sound is shorter than it.
        padded = F.pad(waveform, (0, self.crop_samples))
        crops = padded.index_select(1, places.flatten()).view(waveform.shape[0], -1, 1, self.crop_samples)
        return self.calibrated(self.module.clip_probabilities(crops))


def write_onnx(classifier: LoadedClassifier, path: Path) -> None:
    """Writes the classifier as ONNX: input `waveform` (B, S) float32 at its sample rate, output `probabilities` (B, K).

    Both axes are free, and all of `LoadedClassifier.probabilities` is in the graph. The metadata of the file are
    `classes` (JSON), `sample_rate` and `audio_cls_version`. The file is kept only if ONNX Runtime gives what torch
    gives. Raises OnnxError where a package is missing, a network cannot be exported, or the two disagree.
    """
    check_installed()
    import onnx

    model = _exported(SoundProbabilities(classifier), _kind(classifier))
    _double_means(model)
    for entry in [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output]:
        del entry.metadata_props[:]  # they say where the code lies
    del model.graph.value_info[:]
    metadata = {
        "classes": json.dumps(classifier.classes, ensure_ascii=False),
        "sample_rate": str(classifier.sample_rate),
        "audio_cls_version": __version__,
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        check_onnx(classifier, temporary)


def write_with_example(classifier: LoadedClassifier, path: Path) -> None:
    """`write_onnx`, and beside the file a program of 30 lines that uses it."""
    write_onnx(classifier, path)
    shutil.copyfile(Path(__file__).with_name(ONNX_EXAMPLE), path.with_name(ONNX_EXAMPLE))


def check_installed() -> None:
    """Raises OnnxError with what to install, where that is needed."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise OnnxError(f"ONNX needs {', '.join(missing)}: pip install 'audio_cls[onnx]'")


def check_onnx(classifier: LoadedClassifier, path: Path) -> None:
    """Compares the file with the classifier on noise of several lengths. Raises OnnxError where they differ."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for waveforms in _sounds(classifier.crop_samples):
        (found,) = session.run(None, {"waveform": waveforms})
        expected = np.stack([classifier.probabilities(waveform).cpu().numpy() for waveform in waveforms])
        difference = np.abs(found - expected).max()
        if not difference <= TOLERANCE:
            raise OnnxError(
                f"{_kind(classifier)}: ONNX Runtime and torch differ by {difference:.2g} on noise of shape"
                f" {waveforms.shape}; the ONNX file was not kept"
            )


def _sounds(crop_samples: int) -> Iterator[np.ndarray]:
    """Noise that fades, in batches (B, S): as long as crops, shorter, longer; and silence."""
    rng = np.random.default_rng(0)
    for batch, samples in (1, crop_samples), (2, crop_samples // 3 + 1), (3, crop_samples * 5 // 2 + 7):
        noise = 0.1 * rng.standard_normal((batch, samples)) * np.geomspace(1, 0.01, samples)
        yield noise.astype(np.float32)
    yield np.zeros((1, crop_samples + 1), np.float32)


def _exported(module: SoundProbabilities, kind: str) -> Any:
    """The module as an onnx.ModelProto."""
    import onnxscript.optimizer

    example = torch.randn(2, 2 * module.crop_samples + 3) * 0.1  # axes of 0 or 1 would count as fixed
    try:
        with _quiet(), torch.no_grad():
            module(example)  # so that what a network computes once is there
            program = torch.onnx.export(
                module,
                (example,),
                input_names=["waveform"],
                output_names=["probabilities"],
                dynamic_shapes={"waveform": {0: "batch", 1: "samples"}},
                opset_version=OPSET,
                dynamo=True,
                optimize=False,
                verbose=False,
            )
            assert program is not None
            return onnxscript.optimizer.optimize(
                program.model_proto, input_size_limit=FOLDED_ELEMENTS, output_size_limit=FOLDED_ELEMENTS
            )
    except Exception as error:  # of a network of somebody else, or of the exporter
        cause = error.__cause__ or error
        reason = f"{cause}".strip().partition("\n")[0] or type(cause).__name__
        raise OnnxError(f"{kind} cannot be written as ONNX ({reason}); leave out --onnx") from None


def _double_means(model: Any) -> None:
    """Has means taken in double precision: ONNX Runtime adds up the values of a whole spectrogram one by one, which in
    single precision costs up to 2e-4 of a probability where most of a sound is silent."""
    import onnx

    single = {
        value.name
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        if node.op_type != "ReduceMean" or node.input[0] not in single:
            model.graph.node.append(node)
            continue
        values, mean = node.input[0], node.output[0]
        node.input[0], node.output[0] = f"{mean}_of", f"{mean}_double"
        model.graph.node.extend(
            [
                onnx.helper.make_node("Cast", [values], [node.input[0]], to=onnx.TensorProto.DOUBLE),
                node,
                onnx.helper.make_node("Cast", [node.output[0]], [mean], to=onnx.TensorProto.FLOAT),
            ]
        )


def _kind(classifier: LoadedClassifier) -> str:
    return type(classifier.module.network).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of its own parts."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
