"""The class or function that the `_target_` of a configuration names, as 'package.module.Name'."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from audio_cls.wording import did_you_mean, one_line


def import_target(target: str) -> Any:
    """The object of this name; nothing of it is called. Raises ValueError in one line where it cannot be imported."""
    module_name, _, name = target.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in target.split(".")):
        raise ValueError(f"_target_={target} is no name of a class or function; write package.module.Name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"_target_={target} cannot be imported ({one_line(error)}); put the folder of its file on PYTHONPATH"
        ) from None
    except (Exception, SystemExit) as error:
        raise ValueError(f"_target_={target} cannot be imported ({type(error).__name__}: {one_line(error)})") from None
    if not hasattr(module, name):
        hint = did_you_mean(name, vars(module)) or "write the name as it stands there"
        raise ValueError(f"_target_={target}: {module_name} has no {name}; {hint}")
    return getattr(module, name)


def arguments_for(function: Callable[..., Any], given: Mapping[str, Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """What to call a function with: all keys that are given and, of those offered, the ones its signature names.

    Raises ValueError in one line for a given key that the signature lacks, and for one that it needs.
    """
    parameters = inspect.signature(function).parameters.values()
    named = {parameter.name: parameter for parameter in parameters if parameter.kind in _NAMED}
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    for key in given:
        if key not in named and not takes_any:
            hint = did_you_mean(key, named) or f"it takes {', '.join(named) or 'none'}"
            raise ValueError(f"{key} is no argument of {function.__qualname__}; {hint}")
    arguments = {**{key: value for key, value in offered.items() if key in named}, **given}
    for key, parameter in named.items():
        if key not in arguments and parameter.default is inspect.Parameter.empty:
            raise ValueError(f"{key} is missing: {function.__qualname__} needs it; add the key")
    return arguments


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
