"""ONNX Runtime for browsers, which `export --html` puts into its page: one version of its npm package, checked."""

import base64
import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from audio_cls.files import replacing
from audio_cls.wording import UserError

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
# As npm states it (dist.integrity): SHA-512 of the tarball, base64.
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
SCRIPT, WASM = "package/dist/ort.wasm.bundle.min.mjs", "package/dist/ort-wasm-simd-threaded.wasm"
NPM_SECONDS = 300
TAKEN = ("InferenceSession", "Tensor", "env")
# The package names its licence, but does not hold the text.
LICENCE = """ONNX Runtime Web {version}

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


class RuntimeMissing(UserError):
    """ONNX Runtime for browsers is not to be had, in one line with what to do."""


@dataclass(frozen=True)
class WebRuntime:
    """A script that defines `ort` (InferenceSession, Tensor, env), the WebAssembly that it runs, and their licence."""

    script: str
    wasm: bytes
    licence: str = LICENCE.format(version=VERSION)


def web_runtime(tarball: Path | None = None) -> WebRuntime:
    """Out of the given tarball of the package, or the one that npm fetches once and the cache keeps.

    Raises RuntimeMissing where there is no npm, it fails, or the file is not the one that was checked.
    """
    if tarball is None:
        from audio_cls.data.cache import default_cache_dir

        tarball = default_cache_dir() / "npm" / f"{PACKAGE}-{VERSION}.tgz"
        if not tarball.is_file() or _digest(tarball) != SHA512:
            _fetch(tarball)
    elif not tarball.is_file():
        raise RuntimeMissing(f"--runtime {tarball} does not exist; {_by_hand()}")
    if _digest(tarball) != SHA512:
        raise RuntimeMissing(f"{tarball} is not {PACKAGE} {VERSION} as published: its checksum differs; {_by_hand()}")
    with tarfile.open(tarball) as package:
        script, wasm = (_read(package, name) for name in (SCRIPT, WASM))
    return WebRuntime(_without_exports(script.decode()), wasm)


def _fetch(target: Path) -> None:
    """Has npm write the tarball to the target."""
    if (npm := shutil.which("npm")) is None:
        raise RuntimeMissing(f"--html needs npm for {PACKAGE} {VERSION}, once: install npm, or {_by_hand()}")
    with tempfile.TemporaryDirectory(prefix="audio_cls-npm-") as folder:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent"]
        try:
            subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=NPM_SECONDS)
            (packed,) = Path(folder).glob("*.tgz")
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or f"{error}").strip().splitlines()
            raise RuntimeMissing(
                f"npm pack {PACKAGE}@{VERSION} failed ({said[0] if said else 'without a word'}); try again, or"
                f" {_by_hand()}"
            ) from None
        with replacing(target) as temporary:
            shutil.copyfile(packed, temporary)


def _by_hand() -> str:
    return f"write it with npm pack {PACKAGE}@{VERSION} on another computer and give it as --runtime FILE.tgz"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()


def _read(package: tarfile.TarFile, name: str) -> bytes:
    file = package.extractfile(name)
    assert file is not None, name  # the checksum is right
    with file:
        return file.read()


def _without_exports(script: str) -> str:
    """The module as a script that defines `ort`, so that it can stand within a page, allowed by its checksum alone."""
    found = re.search(r"export\s*\{([^}]*)\};?\s*(?://#[^\n]*)?\s*$", script)
    assert found is not None, "the end of the script is not what it was"
    pairs = (pair.split(" as ") for pair in found[1].split(","))
    own_names = {name: own for own, name in pairs}
    taken = ",".join(f"{name}:{own_names[name]}" for name in TAKEN)
    return f"const ort=await(async()=>{{{script[: found.start()]}\nreturn{{{taken}}}}})();\n"
