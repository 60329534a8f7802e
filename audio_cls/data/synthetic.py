"""A built-in set of ten kinds of sound, synthesised clip by clip, to train on where no recordings are at hand.

The set is laid out like ESC-10: five folds, several clips cut from one source recording, all clips of a source in one
fold. Clips of a source share its parameters (pitch, rate, room, colour of the background noise) and differ in their
take (onset, length, level, noise). A sound may begin late and be short, so a crop of the first second often misses it.

Axis letters: T samples, G grains (short sounds placed in the clip), L samples of a grain, H harmonics.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.random import Generator

from audio_cls.data.clips import Clip, ClipSet

SAMPLE_RATE = 44_100  # Hz
NUM_SAMPLES = 220_500  # 5 s, as in ESC
NUM_FOLDS = 5
CLIPS_PER_SOURCE = 4
TABLE_SIZE = 4096  # samples of one period, a power of two; rounding the index leaves noise about 60 dB down


def synthetic_clips(clips_per_class: int = 40, synthesis_seed: int = 0) -> ClipSet:
    """The set's clips, to be turned into sound by `synthesize`; another seed is another set of recordings."""
    num_sources = max(NUM_FOLDS, -(-clips_per_class // CLIPS_PER_SOURCE))
    clips = []
    for label, kind in enumerate(CLASSES):
        for index in range(clips_per_class):
            take, source_index = divmod(index, num_sources)
            source = f"{kind.lower().replace(' ', '-')}-{synthesis_seed}-{source_index + 1:03d}"
            name = f"{kind}/{source}-{'ABCD'[take]}"
            clips.append(Clip(Path(name), name, label, source, source_index % NUM_FOLDS + 1))
    return ClipSet("synthetic", None, CLASSES, tuple(sorted(clips, key=lambda clip: clip.name)))


def synthesize(clip: Clip, seed: int = 0) -> np.ndarray:
    """The clip's waveform, (T,) float32 in [-1, 1] at 44.1 kHz; the same for the same clip and seed."""
    source = np.random.default_rng([seed, crc32(str(clip.source).encode())])
    take = np.random.default_rng([seed, crc32(clip.name.encode()), 1])
    room_delays, room_gains = source.integers(300, 3000, size=3), source.uniform(0.0, 0.5, size=3)
    noise_slope = source.uniform(0.0, 6.0)  # dB an octave, falling
    sound = KINDS[clip.label][1](source, take)
    for delay, gain in zip(room_delays, room_gains, strict=True):
        sound[delay:] += gain * sound[:-delay]
    sound, start, stop = _place(sound, take)
    sound /= max(_loudness(sound[start:stop]), 1e-9)
    noise = _noise(take, lambda hz: (hz / 1000) ** (-noise_slope / 6.02))
    noise *= 10 ** (-take.uniform(10, 35) / 20) / noise.std()
    if take.random() < 0.3:  # many ESC clips are shorter than 5 s and padded with digital silence
        noise[:start], noise[stop:] = 0, 0
    mixture = sound + noise
    return (mixture * (10 ** (-take.uniform(1, 30) / 20) / np.abs(mixture).max())).astype(np.float32)


def _place(sound: np.ndarray, take: Generator) -> tuple[np.ndarray, int, int]:
    """The sound moved to its onset and faded out at its end, with both in samples."""
    onset = take.uniform(0.9, 3.2) if take.random() < 0.4 else take.uniform(0.0, 0.3)
    length = take.uniform(1.2, 1.8) if take.random() < 0.3 else 5.0
    start = int(onset * SAMPLE_RATE)
    stop = min(start + int(length * SAMPLE_RATE), NUM_SAMPLES)
    placed = np.zeros(NUM_SAMPLES, np.float32)
    placed[start:stop] = sound[: stop - start]
    fade = np.linspace(0, 1, SAMPLE_RATE // 50, dtype=np.float32)  # 20 ms: no click where a sound is cut
    placed[stop - len(fade) : stop] *= fade[::-1]
    return placed, start, stop


def _loudness(sound: np.ndarray) -> float:
    """Root mean square of the loudest tenth of a second: fair to a tick and to rain alike."""
    frame = SAMPLE_RATE // 10
    frames = sound[: len(sound) // frame * frame].reshape(-1, frame)
    return float(np.sqrt(np.square(frames).mean(axis=1).max()))


@cache
def _frequencies() -> np.ndarray:
    """(T//2 + 1,) float32 Hz of a clip's spectrum, the lowest raised to 20 Hz so that a slope stays finite."""
    return np.maximum(np.fft.rfftfreq(NUM_SAMPLES, 1 / SAMPLE_RATE), 20).astype(np.float32)


@cache
def _seconds() -> np.ndarray:
    """(T,) float32 times of a clip's samples."""
    return np.arange(NUM_SAMPLES, dtype=np.float32) / SAMPLE_RATE


def _noise(rng: Generator, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(T,) float32 noise whose spectrum follows `gain` of the frequency in Hz."""
    hz = _frequencies()
    spectrum = rng.standard_normal(2 * len(hz), dtype=np.float32).view(np.complex64)
    return np.fft.irfft(spectrum * gain(hz), NUM_SAMPLES).astype(np.float32)


def _tone(frequency: np.ndarray | float, harmonics: np.ndarray) -> np.ndarray:
    """(T,) float32 periodic tone of a frequency in Hz, constant or (T,), and harmonics (H,), from a wave table."""
    phase = np.cumsum(np.broadcast_to(frequency, NUM_SAMPLES), dtype=np.float64) / SAMPLE_RATE
    turns = np.arange(TABLE_SIZE) / TABLE_SIZE
    orders = np.arange(1, len(harmonics) + 1)
    table = (harmonics @ np.sin(2 * np.pi * orders[:, None] * (turns + 0.618 * orders[:, None]))).astype(np.float32)
    return table.take((phase * TABLE_SIZE).astype(np.int64) & (TABLE_SIZE - 1))


def _slow(rng: Generator, points_per_second: float) -> np.ndarray:
    """(T,) float32 in [0, 1] that wanders in straight lines from one random point to the next."""
    step = int(SAMPLE_RATE / points_per_second)
    points = rng.random(NUM_SAMPLES // step + 2, dtype=np.float32)
    ramp = np.arange(step, dtype=np.float32) / step
    return (points[:-1, None] + np.diff(points)[:, None] * ramp).ravel()[:NUM_SAMPLES]


def _grains(
    starts: np.ndarray, hz: np.ndarray, decay_seconds: np.ndarray, gains: np.ndarray, glide: float = 0.0
) -> np.ndarray:
    """(T,) float32 sum of damped sines, one a start in seconds (G,); `glide` is the rise in pitch over one decay."""
    length = int(4.6 * decay_seconds.max() * SAMPLE_RATE)  # to 1%
    seconds = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    hz, decay, gains = (np.asarray(x, np.float32)[:, None] for x in (hz, decay_seconds, gains))
    decays = seconds / decay  # (G, L)
    phase = (2 * np.pi * hz * seconds) if glide == 0 else (2 * np.pi * hz * seconds) * (1 + glide / 2 * decays)
    grains = np.sin(phase, out=phase)
    grains *= np.exp(-decays)
    grains *= gains * np.minimum(seconds / 0.001, 1)  # an attack of 1 ms
    sound = np.zeros(NUM_SAMPLES + length, np.float32)
    positions = np.minimum(starts * SAMPLE_RATE, NUM_SAMPLES).astype(np.int64)[:, None] + np.arange(length)  # (G, L)
    np.add.at(sound, positions, grains)
    return sound[:NUM_SAMPLES]


def _beats(rng: Generator, period_seconds: float, jitter: float) -> np.ndarray:
    """Times in seconds, about a period apart, from nearly nothing to the end of the clip."""
    steps = period_seconds * (1 + jitter * rng.uniform(-1, 1, size=int(5 / period_seconds / (1 - jitter)) + 1))
    beats = np.cumsum(steps) - steps[0] * rng.uniform(0.8, 1)
    return beats[beats < 4.99]


def _siren(source: Generator, take: Generator) -> np.ndarray:
    low, span, rate = source.uniform(450, 850), source.uniform(1.5, 2.3), source.uniform(0.4, 3)  # Hz, -, Hz
    harmonics = source.uniform(0.2, 1, size=4) / [1, 2, 3, 4]
    sweep = 0.5 + 0.5 * np.sin(2 * np.pi * (rate * _seconds() + take.random()))
    return _tone(low * span**sweep, harmonics)


def _bird(source: Generator, take: Generator) -> np.ndarray:
    hz, glide = source.uniform(2000, 5000), source.uniform(0.15, 0.4)
    decay, period, notes = source.uniform(0.025, 0.05), source.uniform(0.5, 1.2), source.integers(2, 5)
    phrases = _beats(take, period, 0.3)
    starts = (phrases[:, None] + np.arange(notes) * 3 * decay).ravel()
    pitches = hz * take.uniform(0.9, 1.1, size=len(starts))
    return _grains(starts, pitches, np.full(len(starts), decay), take.uniform(0.4, 1, size=len(starts)), glide)


def _engine(source: Generator, take: Generator) -> np.ndarray:
    hz, drift = source.uniform(35, 90), source.uniform(0.05, 0.4)
    harmonics = source.uniform(0.1, 1, size=24) / np.arange(1, 25) ** source.uniform(0.2, 0.7)
    revolutions = hz * (1 + drift * _slow(take, 0.8))
    roughness = 1 + 0.3 * np.repeat(take.standard_normal(NUM_SAMPLES // 300), 300).astype(np.float32)
    return _tone(revolutions, harmonics) * roughness


def _rain(source: Generator, take: Generator) -> np.ndarray:
    slope, corner = source.uniform(-1.5, 1.5), source.uniform(500, 2500)  # dB an octave, Hz
    hiss = _noise(take, lambda hz: (hz / 1000) ** (slope / 6.02) / (1 + (corner / hz) ** 2))
    drops = int(5 * source.uniform(10, 60))
    hz, gains = take.uniform(1500, 7000, size=drops), take.exponential(source.uniform(0.3, 1.5), size=drops)
    return hiss / hiss.std() + 4 * _grains(take.uniform(0, 4.99, size=drops), hz, np.full(drops, 0.002), gains)


def _clock(source: Generator, take: Generator) -> np.ndarray:
    period, hz, decay = source.uniform(0.2, 0.75), source.uniform(1500, 5000, size=2), source.uniform(0.001, 0.004)
    ticks = _beats(take, period, 0.01)
    pitches = hz[np.arange(len(ticks)) % 2]  # tick, tock
    sizes = np.where(np.arange(len(ticks)) % 2, 0.6, 1.0) * take.uniform(0.8, 1, size=len(ticks))
    decays = np.full(len(ticks), decay)
    return _grains(ticks, pitches, decays, sizes) + _grains(ticks + 0.006, pitches * 1.53, decays, 0.5 * sizes)


def _footsteps(source: Generator, take: Generator) -> np.ndarray:
    period, hz, decay = source.uniform(0.3, 0.75), source.uniform(70, 260), source.uniform(0.012, 0.04)
    grit = source.uniform(0.1, 0.6)
    heels = _beats(take, period, 0.12)
    sizes, decays = take.uniform(0.5, 1, size=len(heels)), np.full(len(heels), decay)
    thud = _grains(heels, hz * take.uniform(0.9, 1.1, size=len(heels)), decays, sizes)
    scuffs = (heels[:, None] + take.uniform(0, 0.07, size=(len(heels), 12))).ravel()
    scrape = take.uniform(600, 3000, size=len(scuffs))
    return thud + grit * _grains(scuffs, scrape, np.full(len(scuffs), 0.004), take.random(len(scuffs)))


def _bell(source: Generator, take: Generator) -> np.ndarray:
    hz, period, decay = source.uniform(350, 900), source.uniform(0.8, 2.0), source.uniform(0.4, 0.7)
    partials = np.array([1, 1.19, 1.5, 2])  # prime, tierce, quint, nominal
    gains = source.uniform(0.3, 1, size=len(partials))
    stroke = _grains(np.zeros(len(partials)), hz * partials, decay / np.sqrt(partials), gains)
    bell = np.zeros(NUM_SAMPLES, np.float32)
    for beat in (_beats(take, period, 0.05) * SAMPLE_RATE).astype(int):
        bell[beat:] += take.uniform(0.6, 1) * stroke[: NUM_SAMPLES - beat]
    return bell


def _bubbles(source: Generator, take: Generator) -> np.ndarray:
    hz, spread, rate = source.uniform(350, 1100), source.uniform(0.2, 0.6), source.uniform(8, 30)
    num_bubbles = int(5 * rate)
    pitches = hz * np.exp(take.normal(0, spread, size=num_bubbles))
    decays = np.minimum(9 / pitches, 0.02)  # small bubbles ring shorter
    starts = np.concatenate([take.uniform(0, 0.5, size=3), take.uniform(0, 4.99, size=num_bubbles - 3)])
    return _grains(starts, pitches, decays, take.exponential(1, size=num_bubbles), glide=0.25)


def _alarm(source: Generator, take: Generator) -> np.ndarray:
    hz, period = source.uniform(800, 3000), source.uniform(0.12, 0.5)
    beeps, pause = source.integers(1, 5), source.integers(0, 3)  # beeps of a group, beats of silence after it
    harmonics = source.uniform(0, 1, size=5) / [1, 2, 2, 3, 3]
    harmonics[0] = 1
    on = source.uniform(0.4, 0.7)
    beat = _seconds() / np.float32(period) + np.float32(0.3 * take.random())
    whole = beat.astype(np.int32)
    inside = np.minimum(beat - whole, on - (beat - whole)) * period  # seconds to the nearer edge of the beep
    sounding = np.clip(inside / 0.002, 0, 1) * (whole % (beeps + pause) < beeps)
    return _tone(hz, harmonics) * sounding


def _wind(source: Generator, take: Generator) -> np.ndarray:
    corner, whistle, sharpness = source.uniform(200, 500), source.uniform(300, 900), source.uniform(3, 8)

    def colour(hz: np.ndarray) -> np.ndarray:
        return 1 / (1 + (hz / corner) ** 2) + 0.25 / (1 + (sharpness * (hz / whistle - whistle / hz)) ** 2)

    gusts = 0.15 + _slow(take, source.uniform(0.8, 2.5)) ** 2
    return _noise(take, colour) * gusts


KINDS: tuple[tuple[str, Callable[[Generator, Generator], np.ndarray]], ...] = (
    ("Alarm beep", _alarm),
    ("Bubbling water", _bubbles),
    ("Chirping bird", _bird),
    ("Church bell", _bell),
    ("Clock tick", _clock),
    ("Engine", _engine),
    ("Footsteps", _footsteps),
    ("Rain", _rain),
    ("Siren", _siren),
    ("Wind", _wind),
)
CLASSES = tuple(name for name, _ in KINDS)
