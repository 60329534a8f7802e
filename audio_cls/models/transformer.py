"""The transformer classifier, from waveform to logits.

Axis letters: B batch, T samples, N tokens, D features of a token, H heads, K classes.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from audio_cls.models.attention import EncoderBlock, LearnedPositions, SinusoidalPositions
from audio_cls.models.features import Features
from audio_cls.models.log_mel import LogMel
from audio_cls.models.stems import ChannelTokens, FrameTokens, SpectrogramStem, TextureStem, WaveformStem
from audio_cls.models.texture import LogMelTexture, StatisticsClassifier

FRONT_ENDS_OF_STEM = {
    "spectrogram": ("log_mel", "log_mel_texture"),
    "waveform": ("waveform",),
    "channels": ("waveform",),
    "frames": ("waveform",),
}


class TransformerClassifier(nn.Module):
    """Front end, convolutional stem, CLS token, positions, encoder blocks, and a linear layer on the CLS state.

    With front_end='log_mel_texture' a small classifier of the crop's statistics stands beside it, and the two are
    averaged: what is known of a whole crop needs no attention.

    Shape:
        waveforms (B, 1, T) float32 in [-1, 1] -> (B, K) logits

    T may vary from batch to batch, except with stem='channels', where it is `num_samples`, with stem='frames', which
    takes whole tokens, and with positions='learned', where `num_samples` is the most.

    Arguments, where the name does not say it:
        num_samples: length of a training crop
        front_end: 'log_mel' spectrogram, 'log_mel_texture' (beside it the power of its modulations and statistics of
            the crop, which need a short hop), or 'waveform' as it stands (normalise it before, or quiet clips drown in
            the positions)
        num_mels, n_fft, hop_length: of the first two
        stem: 'spectrogram' (2-D convolutions), 'waveform' (1-D convolutions), 'channels': the channels of
            `WaveformCNN` are the tokens, which fixes d_model = num_samples / 8, or 'frames': k time steps of all 128
            of these channels are a token, k = d_model / 128, which must divide num_samples / 8
        stem_width, num_stem_layers: of the first two; channels of the first layer; layers, for 'spectrogram' only
        num_heads: must divide d_model; the parameters are the same for any number
        pool: classify the state of the 'cls' token (Dosovitskiy et al. 2021) or the 'mean' of all tokens;
            with 'mean', num_layers=0 leaves the stem and its pooling alone, to tell what attention adds

    Raises ValueError for values outside their range and for combinations that make no model.
    """

    def __init__(
        self,
        num_classes: int,
        sample_rate: int,
        num_samples: int,
        num_heads: int,
        *,
        front_end: Literal["log_mel", "log_mel_texture", "waveform"] = "log_mel",
        num_mels: int = 64,
        n_fft: int = 1024,
        hop_length: int = 512,
        stem: Literal["spectrogram", "waveform", "channels", "frames"] = "spectrogram",
        stem_width: int = 16,
        num_stem_layers: int = 3,
        d_model: int = 96,
        num_layers: int = 3,
        d_feedforward: int = 192,
        dropout: float = 0.1,
        norm: Literal["pre", "post"] = "pre",
        activation: Literal["gelu", "relu"] = "gelu",
        positions: Literal["sinusoidal", "learned", "none"] = "sinusoidal",
        pool: Literal["cls", "mean"] = "cls",
    ) -> None:
        super().__init__()
        _check_choice("norm", norm, ("pre", "post"))
        _check_choice("stem", stem, tuple(FRONT_ENDS_OF_STEM))
        _check_choice("front_end", front_end, ("log_mel", "log_mel_texture", "waveform"))
        _check_choice("positions", positions, ("sinusoidal", "learned", "none"))
        _check_choice("pool", pool, ("cls", "mean"))
        if front_end not in FRONT_ENDS_OF_STEM[stem]:
            raise ValueError(
                f"front_end={front_end} does not feed stem={stem}: set front_end={FRONT_ENDS_OF_STEM[stem][0]}, "
                "or another stem"
            )
        sizes = {"num_classes": num_classes, "sample_rate": sample_rate, "num_samples": num_samples}
        sizes |= {"num_mels": num_mels, "n_fft": n_fft, "stem_width": stem_width}
        sizes |= {"num_heads": num_heads, "d_model": d_model, "d_feedforward": d_feedforward}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name}={size}: set {name} to 1 or more")
        if num_layers < (1 if pool == "cls" else 0):
            raise ValueError(
                f"num_layers={num_layers}: a CLS token sees the others through attention only; "
                "set num_layers to 1 or more, or num_layers=0 with pool=mean"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout}: set dropout to at least 0 and less than 1")

        num_features = num_samples  # along time, after the front end
        if front_end == "log_mel":
            self.front_end = LogMel(sample_rate, num_mels, n_fft, hop_length)
            num_features = self.front_end.num_frames(num_samples)
        elif front_end == "log_mel_texture":
            self.front_end = LogMelTexture(sample_rate, num_mels, n_fft, hop_length, num_samples)
            num_features = self.front_end.num_frames(num_samples)
        else:
            self.front_end = nn.Identity()

        if front_end == "log_mel_texture":
            num_modulations = self.front_end.modulation.num_bands
            self.stem = TextureStem(
                num_mels, num_modulations, d_model, stem_width, 3 * stem_width, num_stem_layers, activation
            )
        elif stem == "spectrogram":
            self.stem = SpectrogramStem(num_mels, d_model, stem_width, num_stem_layers, activation)
        elif stem == "waveform":
            self.stem = WaveformStem(d_model, stem_width, activation)
        elif stem == "channels":
            self.stem = ChannelTokens(d_model, num_samples)
        else:
            self.stem = FrameTokens(d_model, num_samples)

        self.statistics_classifier = None
        if front_end == "log_mel_texture":
            self.statistics_classifier = StatisticsClassifier(self.front_end.num_statistics, num_classes)

        self.cls = None
        if pool == "cls":
            self.cls = nn.Parameter(torch.empty(1, 1, d_model))
            nn.init.trunc_normal_(self.cls, std=0.02)

        if positions == "learned":
            num_tokens = self.stem.num_tokens(num_features) + (pool == "cls")
            self.positions = LearnedPositions(num_tokens, d_model)
        else:
            self.positions = SinusoidalPositions() if positions == "sinusoidal" else nn.Identity()

        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            EncoderBlock(d_model, num_heads, d_feedforward, dropout, norm, activation) for _ in range(num_layers)
        )
        # Blocks with norm='post' have normalised their output already.
        self.norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()
        self.classifier = nn.Linear(d_model, num_classes)
        # Its input has unit scale, so logits start at 0.2 for any width: the first loss is near ln K.
        nn.init.trunc_normal_(self.classifier.weight, std=0.2 * d_model**-0.5)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.forward_features(self.features_of_waveforms(waveforms))

    def features_of_waveforms(self, waveforms: Tensor) -> Features:
        """What the front end makes of waveforms (B, 1, T)."""
        return self.front_end(waveforms)

    def features_of_power(self, power: Tensor) -> Features:
        """The same of the power of mel bands (B, M, F), where the front end has such."""
        return self.front_end.from_power(power)

    def forward_features(self, features: Features) -> Tensor:
        """Logits (B, K) of such features: between the two, a spectrogram can be masked."""
        return combined(self.opinions(features))

    def opinions(self, features: Features) -> tuple[Tensor, ...]:
        """Logits (B, K) of each classifier: of the encoder's, and with front_end='log_mel_texture' of the statistics'.

        They are trained apart, each by a loss of its own, so that neither leans on the other.
        """
        logits = self.classify(self.encode(self.tokens(features))[0])
        if self.statistics_classifier is None:
            return (logits,)
        return logits, self.statistics_classifier(features.statistics)

    def attention_weights(self, waveforms: Tensor) -> tuple[Tensor, ...]:
        """The attention weights of each block, (B, H, N, N): row = the token that looks, column = the one looked at.

        Token 0 is CLS when pool='cls'. Call it on a model in eval mode, as for a prediction.
        """
        _, weights = self.encode(self.tokens(self.front_end(waveforms)), need_weights=True)
        return weights

    def tokens(self, features: Features) -> Tensor:
        """Stem tokens (B, N, D)."""
        return self.stem(features)

    def encode(self, tokens: Tensor, need_weights: bool = False) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Encoder states of stem tokens, and the attention weights of each block if asked for (otherwise none).

        Shape:
            tokens (B, N, D) -> states (B, N + 1, D) with CLS first, or (B, N, D) with pool='mean'
        """
        x = tokens
        if self.cls is not None:
            x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1)  # (B, 1 + N, D)
        x = self.dropout(self.positions(x))
        all_weights = []
        for block in self.blocks:
            if need_weights:
                x, weights = block(x, need_weights=True)
                all_weights.append(weights)
            else:
                x = block(x)
        return self.norm(x), tuple(all_weights)

    def classify(self, states: Tensor) -> Tensor:
        """Logits (B, K) of encoder states (B, N, D)."""
        pooled = states.mean(dim=1) if self.cls is None else states[:, 0]  # (B, D)
        return self.classifier(pooled)


def combined(opinions: Sequence[Tensor], weights: Tensor | None = None) -> Tensor:
    """Logits (B, K) whose softmax is the geometric mean of the probabilities of several classifiers' logits.

    Logits (B, P, K) are of parts of a sound. The probabilities of parts are averaged first, as those of crops are: by
    the weights (B, P), whose rows sum to 1, or evenly.
    """
    if len(opinions) == 1 and opinions[0].ndim == 2:
        return opinions[0]
    return torch.stack([_of_whole(logits.log_softmax(-1), weights) for logits in opinions]).mean(0)


def _of_whole(logarithms: Tensor, weights: Tensor | None) -> Tensor:
    if logarithms.ndim == 2:
        return logarithms
    if weights is None:
        weights = logarithms.new_full(logarithms.shape[:2], 1 / logarithms.shape[1])
    return (logarithms + weights.log().unsqueeze(-1)).logsumexp(1)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r}: set {name} to {', '.join(choices[:-1])} or {choices[-1]}")
