"""From the data block of a configuration to the list of clips; `auto` to what is there on this machine."""

import inspect
import os
import typing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_cls.config.schema import ConfigError, DataConfig
from audio_cls.data.clips import ClipSet, DataError, PlaceError, check_clips
from audio_cls.data.sources import looks_like_esc10, read_any_folder, read_esc10, read_esc50
from audio_cls.data.synthetic import synthetic_clips
from audio_cls.targets import arguments_for, import_target
from audio_cls.wording import one_line

# Ours. Each is called like a function of somebody else: with the keys of its data block that its signature names.
READERS: dict[str, Callable[..., ClipSet]] = {
    "esc10": read_esc10,
    "esc50": read_esc50,
    "folder": read_any_folder,
    "synthetic": synthetic_clips,
}


def load_clips(data: DataConfig) -> ClipSet:
    """Lists the clips. Decodes nothing.

    Raises ConfigError where the path is not what the configuration says, DataError for bad data in the right place (a
    damaged manifest, a class without clips ...) and where ESC-10 cannot be downloaded.
    """
    root = data.root
    if data.kind == "esc10" and root is None:
        root = str(_own_esc10())
    try:
        reader = _reader(data)
        if root is None and needs_root(data):
            raise ConfigError(
                f"data={data.kind} needs to know where the clips are:"
                " data.root=PATH, or AUDIO_CLS_DATA=PATH in the environment"
            )
        unset = {"source"} if data.source is None else set()  # so that a function of one's own may have its own default
        offered = data.model_dump(exclude={"root", *unset, *data.arguments})
        offered |= {} if root is None else {"root": Path(root).absolute()}
        arguments = arguments_for(reader, data.arguments, offered)
        clip_set = reader(**arguments)
        clip_set = clip_set if data.kind in READERS else _check_returned(clip_set)
    except ConfigError:
        raise
    except ValueError as error:
        # A path that leads elsewhere is a mistake in the configuration; what stands in the right place is data.
        is_data = isinstance(error, DataError) and not isinstance(error, PlaceError)
        message = one_line(error) if data.kind in READERS else f"data={data.kind}: {one_line(error)}"
        raise DataError(message) if is_data else ConfigError(message) from None
    except OSError as error:
        raise ConfigError(
            f"{error.filename or root} cannot be read ({error.strerror});"
            " data.root must be a folder or a CSV file that you may read"
        ) from None
    except (Exception, SystemExit) as error:
        if data.kind in READERS:
            raise
        raise ConfigError(
            f"data={data.kind}: {data.target} raised {type(error).__name__}: {one_line(error)}"
        ) from error
    return replace(clip_set, name=data.name or clip_set.name)


def _check_returned(clip_set: Any) -> ClipSet:
    """What a function of somebody else has returned. Raises ValueError where it is no data set: its code is wrong."""
    try:
        return check_clips(clip_set)
    except DataError as error:
        raise ValueError(str(error)) from None


def needs_root(data: DataConfig) -> bool:
    """Whether the clips are files below data.root."""
    root = inspect.signature(_reader(data)).parameters.get("root")
    return root is not None and root.default is inspect.Parameter.empty


def _reader(data: DataConfig) -> Callable[..., ClipSet]:
    """The function that lists the clips. Raises ValueError for anything but a function annotated `-> ClipSet`."""
    if data.kind in READERS:
        return READERS[data.kind]
    function = import_target(data.target)
    try:
        returned = typing.get_type_hints(function).get("return") if inspect.isfunction(function) else None
    except NameError:
        returned = None
    if returned is not ClipSet:  # nothing else is called: a stored configuration must not run code
        raise ValueError(f"_target_={data.target} must be a function annotated -> ClipSet (audio_cls.data.clips)")
    return function


def resolve_auto(root: str | None) -> tuple[str, str | None]:
    """Returns the data set that data=auto stands for, and what to tell the user where that is a surprise."""
    if root is not None:
        if not Path(root).exists():
            source = "AUDIO_CLS_DATA" if os.environ.get("AUDIO_CLS_DATA") == root else "data.root"
            raise ConfigError(f"{source}={root} does not exist; give the folder with the clips")
        return ("esc10", None) if looks_like_esc10(Path(root).absolute()) else ("folder", None)
    try:
        _own_esc10()
    except DataError as error:
        notice = f"ESC-10 is not here and could not be downloaded ({one_line(error)})"
        return "synthetic", f"{notice}. TRAINING ON THE SYNTHETIC SET INSTEAD."
    return "esc10", None


def _own_esc10() -> Path:
    """The project's own copy of ESC-10 in the user's cache folder, downloaded on first use."""
    from audio_cls.data.download import default_esc10_root, download_esc10  # takes a while to import, and seldom runs

    root = default_esc10_root()
    return root if root.is_dir() else download_esc10(root)
