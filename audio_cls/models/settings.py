"""The settings of a transformer, and the rules between them: what its parts need of each other.

The factory of networks and the checks of the configuration make the same object. Without numpy or torch, so that a
configuration is checked before they are imported. Messages name the keys as they are written on the command line.
"""

from dataclasses import dataclass, fields
from typing import Literal, get_args

from audio_cls.models.sizes import (
    BAND_GROUPS,
    CNN_CHANNELS,
    POOLING,
    WAVEFORM_TOKEN_SAMPLES,
    count_empty_bands,
    fitting_heads,
    frame_token_widths,
    heads_fit,
    modulation_rates,
    pooling_fits,
)

MAX_D_MODEL = 8_192
FrontEnd = Literal["log_mel", "log_mel_texture", "waveform"]
Stem = Literal["spectrogram", "waveform", "channels", "frames"]
Norm = Literal["pre", "post"]
Activation = Literal["gelu", "relu"]
Positions = Literal["sinusoidal", "learned", "none"]
Pool = Literal["cls", "mean"]
_LEAST = {"num_layers": 0, "num_stem_layers": 3}  # of the integers; 1 of the others


@dataclass(frozen=True, kw_only=True)
class TransformerSettings:
    """The keys of conf/model/transformer.yaml, and the sizes of data and crop. Raises ValueError for what cannot work.

    Where the name does not say it:
        front_end: 'log_mel' spectrogram; 'log_mel_texture', beside it the power of its modulations and statistics of
            the crop, which need a short hop; 'waveform' as it is (normalise it before, or quiet clips vanish beside the
            positions)
        stem: 'spectrogram' (2-D convolutions), 'waveform' (1-D convolutions), 'channels' and 'frames' (see `original`)
        stem_width, num_stem_layers: channels of the first layer; layers, of the spectrogram stem only
        num_heads: must divide d_model; the parameters are the same for any number
        pool: classify the state of the 'cls' token or the 'mean' of all; with 'mean', num_layers=0 leaves the stem and
            its pooling alone, to tell what attention adds
        num_segments: equal segments of a crop that a second network classifies, beside the one for the whole; 1: none
    """

    num_classes: int
    sample_rate: int
    num_samples: int
    num_heads: int
    front_end: FrontEnd = "log_mel"
    num_mels: int = 64
    n_fft: int = 1024
    hop_length: int = 512
    stem: Stem = "spectrogram"
    stem_width: int = 16
    num_stem_layers: int = 3
    d_model: int = 96
    num_layers: int = 3
    d_feedforward: int = 192
    dropout: float = 0.1
    norm: Norm = "pre"
    activation: Activation = "gelu"
    positions: Positions = "sinusoidal"
    pool: Pool = "cls"
    num_segments: int = 1

    def __post_init__(self) -> None:
        for key in fields(self):
            value, choices, least = getattr(self, key.name), get_args(key.type), _LEAST.get(key.name, 1)
            if choices and value not in choices:
                raise ValueError(f"model.{key.name}={value!r}: use {', '.join(choices[:-1])} or {choices[-1]}")
            if key.type is int and value < least:
                raise ValueError(f"{key.name}={value}: use {least} or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"model.dropout={self.dropout}: use at least 0 and less than 1")
        self._check_encoder()
        if (self.stem == "spectrogram") != (self.front_end != "waveform"):
            fitting = "waveform, channels or frames" if self.front_end == "waveform" else "spectrogram"
            raise ValueError(
                f"model.stem={self.stem} does not fit model.front_end={self.front_end}; use model.stem={fitting}"
            )
        if self.num_segments > 1 and self.front_end != "log_mel_texture":
            raise ValueError(
                f"model.num_segments={self.num_segments} needs model.front_end=log_mel_texture, not {self.front_end};"
                " use model.num_segments=1"
            )
        if self.front_end == "waveform":
            self._check_waveform_stem()
        else:
            check_spectrogram(self.num_mels, self.n_fft, self.hop_length, self.num_samples, self.sample_rate)
        if self.front_end == "log_mel_texture":
            self._check_modulations()

    @property
    def crop(self) -> str:
        """The length of a crop, for messages."""
        return describe_crop(self.num_samples, self.sample_rate)

    def _check_encoder(self) -> None:
        if not heads_fit(self.num_heads, self.d_model):
            raise ValueError(
                f"heads={self.num_heads} does not divide model.d_model={self.d_model};"
                f" use heads={_either(fitting_heads(self.d_model))} or another model.d_model"
            )
        if self.num_layers < (1 if self.pool == "cls" else 0):
            raise ValueError(
                f"model.num_layers={self.num_layers}: the CLS token gets the sound through attention only;"
                " use model.pool=mean, or model.num_layers=1 or more"
            )

    def _check_waveform_stem(self) -> None:
        if self.stem == "waveform" and self.num_samples < WAVEFORM_TOKEN_SAMPLES:
            raise ValueError(
                f"{self.crop}; model.stem=waveform needs {WAVEFORM_TOKEN_SAMPLES} or more: use a longer crop"
            )
        if self.stem in ("channels", "frames"):
            check_pooling(f"model.stem={self.stem}", self.num_samples, self.sample_rate)
        if self.stem == "channels" and self.d_model * POOLING != self.num_samples:
            raise ValueError(
                f"model.stem=channels needs model.d_model = crop samples / {POOLING}; {self.crop},"
                f" so model.d_model={self.num_samples // POOLING}"
            )
        fitting = [width for width in frame_token_widths(self.num_samples) if width <= MAX_D_MODEL]
        if self.stem == "frames" and self.d_model not in fitting:
            rule = f"joins the {CNN_CHANNELS} channels of whole time steps"
            if self.d_model % CNN_CHANNELS == 0:
                num_steps = self.num_samples // POOLING
                rule = f"needs whole tokens; {self.crop}, so {num_steps} time steps of {CNN_CHANNELS} channels"
            nearest = sorted(sorted(fitting, key=lambda width: abs(width - self.d_model))[:3])
            raise ValueError(
                f"model.d_model={self.d_model}: model.stem=frames {rule}; use model.d_model={_either(nearest)}"
            )

    def _check_modulations(self) -> None:
        if self.num_mels % BAND_GROUPS:
            fitting = max(1, round(self.num_mels / BAND_GROUPS)) * BAND_GROUPS
            raise ValueError(
                f"model.num_mels={self.num_mels} does not fit model.front_end=log_mel_texture, which needs a multiple"
                f" of {BAND_GROUPS}; use model.num_mels={fitting} or model.front_end=log_mel"
            )
        frame_rate, seconds = self.sample_rate / self.hop_length, self.num_samples / self.sample_rate
        if not modulation_rates(frame_rate, seconds):
            raise ValueError(
                f"model.hop_length={self.hop_length} at input.sample_rate={self.sample_rate} is too long to show any"
                f" modulation in input.crop_seconds={seconds:g}; use a shorter model.hop_length, longer crops or"
                " model.front_end=log_mel"
            )
        if not modulation_rates(frame_rate, seconds / self.num_segments):
            most = next(n for n in range(self.num_segments, 0, -1) if modulation_rates(frame_rate, seconds / n))
            raise ValueError(
                f"model.num_segments={self.num_segments} leaves segments of {seconds / self.num_segments:.3g} s, too"
                f" short to show any modulation; use model.num_segments={most} or less, or longer crops"
            )


def check_spectrogram(num_mels: int, n_fft: int, hop_length: int, num_samples: int, sample_rate: int) -> None:
    """Raises ValueError, with a value that fits, unless crops have a spectrogram without empty bands."""
    if hop_length > n_fft:
        raise ValueError(f"model.hop_length={hop_length} skips samples: it must not exceed model.n_fft={n_fft}")
    if n_fft > num_samples:
        raise ValueError(
            f"model.n_fft={n_fft} is longer than the crop; {describe_crop(num_samples, sample_rate)}: use a smaller"
            " model.n_fft or a longer crop"
        )
    if count_empty_bands(sample_rate, num_mels, n_fft):
        most = next((num for num in range(num_mels, 0, -1) if not count_empty_bands(sample_rate, num, n_fft)), 1)
        raise ValueError(
            f"model.num_mels={num_mels} leaves mel bands empty at model.n_fft={n_fft} and"
            f" input.sample_rate={sample_rate}; use model.num_mels={most} or less, or a larger model.n_fft"
        )


def check_pooling(name: str, num_samples: int, sample_rate: int) -> None:
    """Raises ValueError, with the nearest crop that fits, unless the CNN's poolings divide the crop without a rest."""
    if not pooling_fits(num_samples):
        fitting = max(1, num_samples // POOLING) * POOLING / sample_rate
        raise ValueError(
            f"{describe_crop(num_samples, sample_rate)}; {name} pools by {POOLING}, so it needs a multiple of"
            f" {POOLING}: try input.crop_seconds={fitting:.9g}"
        )


def describe_crop(num_samples: int, sample_rate: int) -> str:
    """The keys that make a crop as long as it is."""
    seconds = num_samples / sample_rate
    return f"input.crop_seconds={seconds:.9g} at input.sample_rate={sample_rate} is {num_samples} samples"


def _either(values: list[int]) -> str:
    return "|".join(map(str, values))
