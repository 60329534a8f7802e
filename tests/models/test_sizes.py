import warnings

import pytest
from torchaudio.functional import melscale_fbanks

from audio_cls.models.sizes import (
    count_empty_bands,
    fitting_heads,
    frame_token_widths,
    heads_fit,
    modulation_rates,
    pooling_fits,
)


@pytest.mark.parametrize(("sample_rate", "n_fft"), [(4_000, 32), (16_000, 400), (44_100, 1024)])
def test_empty_mel_bands_are_those_of_torchaudio(sample_rate, n_fft):
    for num_mels in range(8, 200, 7):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of empty bands
            bands = melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, num_mels, sample_rate, mel_scale="slaney")
        # Where some are; rounding may tell one band more or less apart from empty.
        assert bool(count_empty_bands(sample_rate, num_mels, n_fft)) == bool((bands.amax(dim=0) == 0).any())


def test_heads_that_fit_divide_the_features():
    assert fitting_heads(96) == [1, 2, 3, 4, 6, 8, 12, 16]
    assert heads_fit(96, 96) and not heads_fit(5, 96) and not heads_fit(0, 96)


def test_frame_tokens_are_whole_steps_that_fill_the_crop():
    assert frame_token_widths(800) == [128 * steps for steps in (1, 2, 4, 5, 10, 20, 25, 50, 100)]
    assert pooling_fits(800) and not pooling_fits(804) and not pooling_fits(0)


def test_modulation_rates_are_octaves_with_enough_cycles_in_the_crop():
    assert modulation_rates(200, 1.0) == [1.25, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0]
    assert modulation_rates(200, 0.01) == []
