"""Makes a data set of spoken words that only the order of their sounds tells apart: 24 voices of espeak-ng over noise.

    python -m audio_cls.data.spoken_words words
    python train.py data=folder data.root=words/words.csv -m

The ten words are five pairs, one word of a pair being the other one backwards: which sounds are in a clip says which
pair it is, and only their order says which word. A voice is a source: an accent with a variant that no other voice has.
It says each word twice, with another speed, pitch, pause before and after, noise and level every time.

The folder has `<word>/<voice>_<take>.wav` (mono, 16 bit, 16 kHz), words.csv with the columns file, label and source,
and made_by.txt. The same seed and version of espeak-ng make the same files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.random import Generator

from audio_cls.data.decode import BadAudio, decode
from audio_cls.files import replacing_folder, write_csv, write_text
from audio_cls.terminal import progress_bar
from audio_cls.wording import UserError

PAIRS = (("bag", "gab"), ("face", "safe"), ("gum", "mug"), ("main", "name"), ("pit", "tip"))
VARIANTS = {  # of each accent (en: British); women and men, young and old
    "en": ("m3", "f4", "Annie"),
    "en-gb-scotland": ("m8", "f1", "travis"),
    "en-gb-x-gbclan": ("croak", "Alicia", "pablo"),
    "en-gb-x-gbcwmd": ("klatt4", "steph", "Jacky"),
    "en-gb-x-rp": ("m7", "belinda", "quincy"),
    "en-us": ("m2", "f2", "Andy"),
    "en-us-nyc": ("m4", "f3", "Denis"),
    "en-029": ("m1", "zac", "grandma"),
}
VOICES = tuple(f"{accent}+{variant}" for accent, variants in VARIANTS.items() for variant in variants)
TAKES = 2
SAMPLE_RATE = 16_000  # Hz
SPEED, PITCH = (120, 220), (25, 75)  # words a minute; espeak-ng's scale from 0 to 99
PAUSE = (0.05, 0.35)  # s, before the word and after it
SNR_DB = (15.0, 40.0)  # of the word's loudest tenth of a second
AMPLITUDE = 50  # of espeak-ng's 0 to 200; at its default of 100 some voices clip


def make_words(folder: Path, seed: int = 0) -> int:
    """Writes the data set into a new folder; returns the number of clips.

    Raises UserError where the folder holds files, or espeak-ng is missing or lacks a voice.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists: name a new folder")
    version = _run("--version").split("Data at")[0].strip()
    check_voices()
    clips = [
        (f"{word}/{voice}_{take}.wav", word, voice)
        for word in sorted(word for pair in PAIRS for word in pair)
        for voice in VOICES
        for take in range(1, TAKES + 1)
    ]
    with replacing_folder(folder) as partial, progress_bar() as bar:
        for name, word, voice in bar.track(clips, description="Speaking"):
            rng = np.random.default_rng([seed, crc32(name.encode())])
            _write_wav(partial / name, _clip(word, voice, rng))
        write_csv(partial / "words.csv", ("file", "label", "source"), clips)
        write_text(partial / "made_by.txt", f"{version}\npython -m audio_cls.data.spoken_words --seed {seed}\n")
    return len(clips)


def check_voices() -> None:
    """Raises UserError where two voices are one: espeak-ng speaks without a variant that it does not have."""
    voice_of: dict[bytes, str] = {}
    for voice in (*VARIANTS, *VOICES):
        same = voice_of.setdefault(speak(PAIRS[0][0], voice, speed=170, pitch=50).tobytes(), voice)
        if same != voice:
            raise UserError(f"this espeak-ng has no voice {voice}: it sounds as {same} does; 1.50 to 1.52 have it")


def speak(word: str, voice: str, speed: int, pitch: int) -> np.ndarray:
    """The word as espeak-ng says it, (T,) float32 at SAMPLE_RATE, without silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "word.wav")
        _run(f"-v{voice}", f"-s{speed}", f"-p{pitch}", f"-a{AMPLITUDE}", "-z", "-w", str(path), word)
        try:
            spoken = decode(path, SAMPLE_RATE)
        except BadAudio as error:
            raise UserError(f"espeak-ng wrote no sound for {word!r} with the voice {voice}: {error}") from None
    loud = np.flatnonzero(np.abs(spoken) > 0.01 * np.abs(spoken).max())  # -40 dB
    if not len(loud):
        raise UserError(f"espeak-ng wrote silence for {word!r} with the voice {voice}")
    return spoken[loud[0] : loud[-1] + 1]


def _clip(word: str, voice: str, rng: Generator) -> np.ndarray:
    """A take of the word between pauses, over noise; (T,) float32, its peak 1 to 20 dB below full scale."""
    spoken = speak(word, voice, int(rng.integers(*SPEED)), int(rng.integers(*PITCH)))
    spoken /= _loudness(spoken)
    clip = np.pad(spoken, [int(seconds * SAMPLE_RATE) for seconds in rng.uniform(*PAUSE, size=2)])
    clip += 10 ** (-rng.uniform(*SNR_DB) / 20) * _noise(rng, len(clip))
    return clip * 10 ** (-rng.uniform(1, 20) / 20) / np.abs(clip).max()


def _loudness(spoken: np.ndarray) -> float:
    """Root mean square of the loudest tenth of a second."""
    length = min(SAMPLE_RATE // 10, len(spoken))
    energy = np.cumsum(np.square(spoken, dtype=np.float64))
    return float(np.sqrt(max(energy[length - 1], (energy[length:] - energy[:-length]).max(initial=0)) / length))


def _noise(rng: Generator, length: int) -> np.ndarray:
    """(length,) noise with a root mean square of 1, falling by up to 6 dB an octave."""
    hz = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 50)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(length)) * hz ** -rng.uniform(0, 1), length)
    return noise / noise.std()


def _write_wav(path: Path, waveform: np.ndarray) -> None:
    import soundfile

    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, np.round(waveform * 32767).astype(np.int16), SAMPLE_RATE, subtype="PCM_16")


def _run(*arguments: str) -> str:
    """What espeak-ng prints. Raises UserError where it is missing or fails."""
    try:
        done = subprocess.run(["espeak-ng", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("espeak-ng is not installed: apt install espeak-ng, or brew install espeak-ng") from None
    if done.returncode:
        raise UserError(f"espeak-ng {' '.join(arguments)} failed: {' '.join(done.stderr.split())}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=Path, help="a new folder")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other takes (default: 0)")
    options = parser.parse_args()
    try:
        count = make_words(options.folder, options.seed)
    except (UserError, OSError) as error:
        print(f"spoken_words: {error}", file=sys.stderr)
        return 2
    print(f"{options.folder}: {count} clips of {len(VOICES)} voices; train on {options.folder / 'words.csv'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
