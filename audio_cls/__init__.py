"""Audio classification from scratch: a 1-D CNN and a transformer encoder.

`audio_cls.load(PATH)` is a trained model that predicts new sound; Clip and ClipSet describe data sets of one's own.
They are imported when they are first used, so that `import audio_cls` takes no time.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_cls.data.clips import Clip, ClipSet
    from audio_cls.serving.model import load
else:  # unseen by a type checker, which would take every name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)


__version__ = "0.1.0"
__all__ = ["Clip", "ClipSet", "__version__", "load"]

_HOMES = {"Clip": "audio_cls.data.clips", "ClipSet": "audio_cls.data.clips", "load": "audio_cls.serving.model"}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
