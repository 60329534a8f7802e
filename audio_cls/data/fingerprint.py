"""Which clips hold the same sound, re-encoded, shifted in time, louder or softer, or overlapping in part.

After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): each frame gives one bit for each
pair of neighbouring frequency bands, saying whether the level between the two rose or fell over the last tenth of a
second. The bits outlive a change of format, level and rate. Two clips are laid over each other at every offset; other
recordings differ in about half of the bits.

Axis letters: T samples, N frames, F frequencies, B bits (pairs of neighbouring bands).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from audio_cls.data.array_file import in_order
from audio_cls.data.clips import Clip
from audio_cls.data.decode import MAX_SAMPLE_RATE, BadAudio, read_audio, resample

SAMPLE_RATE = 8_000  # Hz
FRAME = 1_600  # samples, 200 ms: long, so that a shift by half a hop changes little
HOP = 256  # samples, 32 ms
FFT_SIZE = 2_048
HOP_SECONDS = HOP / SAMPLE_RATE
LAG = 3  # frames, 96 ms
NUM_BITS = 16
LOWEST, HIGHEST = 150, 3_800  # Hz
MAX_SECONDS = 15
SILENCE = 1e-3  # power of a frame that says nothing
# On the 320 clips of folds 2 to 5 of ESC-10, no two clips of different recordings pass, but for those that do share
# sound (by their waveforms); re-encoded, shifted and softer copies differ in 7 to 15% of the bits.
MAX_DIFFERENCE = 0.32  # of the bits
MIN_OVERLAP = 25  # frames, 0.8 s
MIN_SECONDS = (FRAME + (MIN_OVERLAP + LAG - 1) * HOP) / SAMPLE_RATE  # 1.064
MIN_EVIDENCE = 1.2  # (0.5 - difference) * sqrt(frames): a short overlap has to agree better, 26% at 0.8 s
MAX_COMPARISONS = 1_000_000


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`signs`: 1 or -1 for each bit, 0 in silent frames, (N, B) int8. `shape`: mean steps between bands in dB, (B,)."""

    signs: np.ndarray
    shape: np.ndarray


@dataclass(frozen=True, slots=True)
class Match:
    """Two clips by index, `first` < `second`, that hold the same sound: what begins at 0 s in `second` begins
    `offset_seconds` later in `first`. `difference` is the share of bits that differ over the overlap."""

    first: int
    second: int
    difference: float
    overlap_seconds: float
    offset_seconds: float


def fingerprint(waveform: np.ndarray, sample_rate: int) -> Fingerprint | None:
    """Of the first 15 s; None for a clip with less than 0.8 s of sound, which takes MIN_SECONDS of clip."""
    if len(waveform) < MIN_SECONDS * sample_rate:
        return None
    waveform = resample(waveform[: MAX_SECONDS * sample_rate], sample_rate, SAMPLE_RATE)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, FRAME)[::HOP]  # (N, T)
    from scipy import fft  # takes a while to import

    spectrum = fft.rfft(frames * np.hanning(FRAME).astype(np.float32), FFT_SIZE, axis=1)  # (N, F)
    edges = np.round(np.geomspace(LOWEST, HIGHEST, NUM_BITS + 2) * FFT_SIZE / SAMPLE_RATE).astype(int)
    power = np.add.reduceat(np.abs(spectrum[:, : edges[-1]]) ** 2, edges[:-1], axis=1)  # (N, B + 1)
    steps = np.diff(10 * np.log10(power + 1e-9), axis=1)  # (N, B)
    sounding = power.sum(axis=1) > SILENCE
    both = sounding[LAG:] & sounding[:-LAG]
    if both.sum() < MIN_OVERLAP:
        return None
    signs = np.where(steps[LAG:] > steps[:-LAG], 1, -1) * both[:, None]
    return Fingerprint(signs.astype(np.int8), steps[sounding].mean(axis=0))


def find_matches(fingerprints: Sequence[Fingerprint | None]) -> list[Match]:
    """Pairs with the same sound, surest first. All pairs are compared, or, among more than about 1000 clips, each clip
    with those nearest to it in mean spectrum."""
    known = [index for index, each in enumerate(fingerprints) if each is not None]
    prints = [each for each in fingerprints if each is not None]
    if len(known) < 2:
        return []
    from scipy import fft

    size = fft.next_fast_len(2 * max(len(each.signs) for each in prints), real=True)
    bits = np.stack([fft.rfft(each.signs.astype(np.float32), size, axis=0) for each in prints])  # (clips, F, B)
    sounding = np.stack([fft.rfft(np.abs(each.signs[:, 0]).astype(np.float32), size) for each in prints])  # (clips, F)

    def compare(row: int, others: np.ndarray) -> list[Match]:
        agreement = fft.irfft(np.einsum("fb,cfb->cf", bits[row], bits[others].conj()), size)
        overlap = np.round(fft.irfft(sounding[row] * sounding[others].conj(), size))
        difference = np.where(overlap >= MIN_OVERLAP, 0.5 - agreement / np.maximum(overlap, 1) / NUM_BITS / 2, 1)
        evidence = (0.5 - difference) * np.sqrt(np.maximum(overlap, 0))
        matches = []
        for place, offset in enumerate(evidence.argmax(axis=1)):
            at = place, offset
            if difference[at] <= MAX_DIFFERENCE and evidence[at] >= MIN_EVIDENCE:
                lag = int(offset) if offset < size // 2 else int(offset) - size
                pair = known[row], known[others[place]]
                share = max(0.0, float(difference[at]))
                matches.append(Match(*pair, share, float(overlap[at]) * HOP_SECONDS, lag * HOP_SECONDS))
        return matches

    pairs = list(_to_compare(np.stack([each.shape for each in prints])))
    found = in_order(lambda each: compare(*each), pairs, "comparing the clips with each other")
    return sorted((match for matches in found for match in matches), key=lambda match: match.difference)


def find_similar(clips: Sequence[Clip]) -> list[tuple[int, int]]:
    """Pairs of clips, by their places, that hold the same sound. What cannot be read matches nothing."""

    def fingerprint_of(clip: Clip) -> Fingerprint | None:
        try:
            recording = read_audio(clip.path, MAX_SECONDS * MAX_SAMPLE_RATE)
        except (BadAudio, OSError):
            return None
        return fingerprint(recording.waveform, recording.sample_rate)

    matches = find_matches(list(in_order(fingerprint_of, clips, "listening to the clips")))
    return sorted((match.first, match.second) for match in matches)


def num_neighbours(num_clips: int) -> int:
    """How many others each clip is compared with."""
    return min(num_clips - 1, max(20, MAX_COMPARISONS // max(num_clips, 1)))


def _to_compare(shapes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Row by row, the later rows to compare it with."""
    count = len(shapes)
    if num_neighbours(count) == count - 1:
        yield from ((row, np.arange(row + 1, count)) for row in range(count - 1))
        return
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=num_neighbours(count) + 1).fit(shapes).kneighbors(return_distance=False)
    rows = np.repeat(np.arange(count), nearest.shape[1])
    pairs = np.unique(np.sort(np.stack([rows, nearest.ravel()]), axis=0), axis=1)
    pairs = pairs[:, pairs[0] != pairs[1]]
    rows, begins = np.unique(pairs[0], return_index=True)
    yield from zip(rows.tolist(), np.split(pairs[1], begins[1:]), strict=True)
