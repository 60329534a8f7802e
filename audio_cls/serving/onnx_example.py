"""What a model.onnx of audio_cls says of a sound, with numpy and ONNX Runtime alone: python onnx_example.py dog.wav"""

import json
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime


def read(path: str, rate: int) -> np.ndarray:
    """Mono float32 in [-1, 1], (samples,), of a wav file of 16 bits. Resample other rates before, with care."""
    with wave.open(path) as file:
        if file.getsampwidth() != 2 or file.getframerate() != rate:
            sys.exit(f"{path}: the model needs a wav file of 16 bits at {rate} Hz")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
    return (samples / 32768).mean(axis=1).astype(np.float32)


def main() -> None:
    session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
    about = session.get_modelmeta().custom_metadata_map
    for path in sys.argv[1:]:
        waveform = read(path, int(about["sample_rate"]))
        (probabilities,) = session.run(None, {"waveform": waveform[np.newaxis]})  # (1, classes)
        best_first = sorted(zip(probabilities[0], json.loads(about["classes"]), strict=True), reverse=True)
        print(f"{path}: {', '.join(f'{name} {probability:.1%}' for probability, name in best_first)}")


if __name__ == "__main__":
    main()
