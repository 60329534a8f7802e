"""Builds every network from the plain values of a `model` block."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from audio_cls.models.baseline import BandStatistics
from audio_cls.models.cnn import WaveformCNN
from audio_cls.models.late_fusion import LateFusion, StatisticsClassifier
from audio_cls.models.log_mel import LogMel
from audio_cls.models.original import ChannelTokens, FrameTokens
from audio_cls.models.settings import TransformerSettings, check_pooling, check_spectrogram
from audio_cls.models.stems import SpectrogramStem, WaveformStem
from audio_cls.models.texture import LogMelTexture
from audio_cls.models.transformer import TransformerClassifier, TransformerEncoder
from audio_cls.targets import arguments_for, import_target


def build_network(model: Mapping[str, Any], *, num_classes: int, sample_rate: int, num_samples: int) -> nn.Module:
    """The network (B, 1, T) -> (B, K) of a `model` block, with fresh weights.

    Args:
        model: `name` is 'baseline', 'cnn' or 'transformer', which are ours; or there is a `_target_`, the import path
            of any torch.nn.Module class. Its constructor gets the other keys and, of the sizes below, those that it
            names.
        num_samples: T, the length of a crop.

    Raises ValueError, in one line, for values and combinations that make no network.
    """
    sizes: dict[str, Any] = {"num_classes": num_classes, "sample_rate": sample_rate, "num_samples": num_samples}
    settings = {key: value for key, value in model.items() if key not in ("name", "_target_")}
    if "_target_" in model:
        network = network_class(model["_target_"])
        try:
            return network(**arguments_for(network, settings, sizes))
        except SystemExit as error:  # which would pass for an interruption
            raise ValueError(f"{model['_target_']} raised SystemExit: {error}") from error
    if model["name"] == "cnn":
        check_pooling("model=cnn", num_samples, sample_rate)
        return WaveformCNN(num_classes, num_samples)
    if model["name"] == "baseline":
        spectrum = {key: settings[key] for key in ("num_mels", "n_fft", "hop_length")}
        check_spectrogram(**spectrum, num_samples=num_samples, sample_rate=sample_rate)
        return BandStatistics(num_classes, sample_rate, **spectrum)
    if model["name"] == "transformer":
        return build_transformer(TransformerSettings(**sizes, **settings))
    raise ValueError(f"model.name={model['name']} is no model of ours; add model._target_, the import path of a class")


def check_network(network: nn.Module, num_classes: int, num_samples: int) -> None:
    """Tries a network on two crops, which also gives lazy layers their sizes. Raises ValueError for a wrong output."""
    with torch.enable_grad():
        logits = network.eval()(torch.zeros(2, 1, num_samples))
    network.train()
    found = type(logits).__name__
    if isinstance(logits, Tensor):
        if logits.shape == (2, num_classes) and logits.is_floating_point() and logits.requires_grad:
            return
        found = f"{tuple(logits.shape)} {logits.dtype}{'' if logits.requires_grad else ' without gradients'}"
    expected = f"logits (2, {num_classes}), floats computed with parameters that can be trained"
    raise ValueError(
        f"{type(network).__name__} returned {found} for waveforms (2, 1, {num_samples}); it must return {expected}"
    )


def network_class(target: str) -> type[nn.Module]:
    """The class with this import path. Raises ValueError for anything but a subclass of torch.nn.Module."""
    found = import_target(target)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"_target_={target} is no subclass of torch.nn.Module; write the import path of one")
    return found


def build_transformer(settings: TransformerSettings) -> TransformerClassifier | LateFusion:
    """The transformer of the settings; with front_end='log_mel_texture' in a `LateFusion`."""
    # The order of construction is that of the random draws: it decides what weights a seed gives.
    front_end = _front_end(settings)
    stem = _stem(settings, front_end)
    statistics = None
    if isinstance(front_end, LogMelTexture):
        statistics = StatisticsClassifier(front_end.num_statistics, settings.num_classes)
    length = front_end.num_frames(settings.num_samples) if isinstance(front_end, LogMel) else settings.num_samples
    encoder = TransformerEncoder(
        settings.d_model,
        settings.num_heads,
        settings.num_layers,
        settings.d_feedforward,
        stem.num_tokens(length),
        dropout=settings.dropout,
        norm=settings.norm,
        activation=settings.activation,
        positions=settings.positions,
        pool=settings.pool,
    )
    transformer = TransformerClassifier(front_end, stem, encoder, settings.num_classes)
    if statistics is None:
        return transformer
    if settings.num_segments == 1:
        return LateFusion(transformer, statistics)
    num_samples = settings.num_samples // settings.num_segments
    segments = build_transformer(replace(settings, num_samples=num_samples, num_segments=1))
    assert isinstance(segments, LateFusion)
    return LateFusion(transformer, statistics, segments, settings.num_segments)


def _front_end(settings: TransformerSettings) -> LogMel | nn.Identity:
    spectrum = settings.sample_rate, settings.num_mels, settings.n_fft, settings.hop_length
    if settings.front_end == "log_mel":
        return LogMel(*spectrum)
    if settings.front_end == "log_mel_texture":
        return LogMelTexture(*spectrum, settings.num_samples)
    return nn.Identity()


def _stem(
    settings: TransformerSettings, front_end: nn.Module
) -> SpectrogramStem | WaveformStem | ChannelTokens | FrameTokens:
    width, activation = settings.stem_width, settings.activation
    if settings.stem == "spectrogram":
        num_modulations = front_end.modulation.num_bands if isinstance(front_end, LogMelTexture) else 0
        return SpectrogramStem(
            settings.num_mels, settings.d_model, width, settings.num_stem_layers, activation, num_modulations
        )
    if settings.stem == "waveform":
        return WaveformStem(settings.d_model, width, activation)
    return ChannelTokens(settings.num_samples) if settings.stem == "channels" else FrameTokens(settings.d_model)
