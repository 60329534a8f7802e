import base64
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import pytest

from audio_cls.serving import web_runtime as module
from audio_cls.serving.web_runtime import RuntimeMissing, web_runtime
from audio_cls.wording import UserError

FILES = {
    module.SCRIPT: b"const a=1,b=2,c=3;export{a as InferenceSession,c as env,b as Tensor};\n//# map",
    module.WASM: b"w",
}
BY_HAND = "write it with npm pack onnxruntime-web@1.30.0 on another computer and give it as --runtime FILE.tgz"


@pytest.fixture
def tarball(tmp_path, monkeypatch) -> Path:
    """A package that stands for the real one."""
    path = tmp_path / "given" / "package.tgz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as package:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            package.addfile(entry, io.BytesIO(content))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    monkeypatch.setattr(module, "SHA512", digest)
    monkeypatch.setenv("AUDIO_CLS_CACHE", str(tmp_path / "cache"))
    return path


def npm(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program called npm, and no other, on the path."""
    folder.mkdir(exist_ok=True)
    program = folder / "npm"
    program.write_text(f"#!{sys.executable}\nimport shutil, sys\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_the_given_tarball_becomes_a_script_that_defines_ort(tarball):
    runtime = web_runtime(tarball)
    assert runtime.script == (
        "const ort=await(async()=>{const a=1,b=2,c=3;\nreturn{InferenceSession:a,Tensor:b,env:c}})();\n"
    )
    assert runtime.wasm == b"w"
    assert "Copyright (c) Microsoft Corporation" in runtime.licence


def test_npm_fetches_it_once(tarball, tmp_path, monkeypatch):
    body = f"""shutil.copy({str(tarball)!r}, 'onnxruntime-web.tgz')
open({str(tmp_path / "said")!r}, 'a').write(' '.join(sys.argv[1:]))"""
    npm(tmp_path / "bin", body, monkeypatch)
    assert web_runtime().wasm == web_runtime().wasm == b"w"
    assert (tmp_path / "said").read_text() == "pack onnxruntime-web@1.30.0 --ignore-scripts --silent"
    kept = tmp_path / "cache" / "npm" / "onnxruntime-web-1.30.0.tgz"
    kept.write_bytes(b"damaged")
    assert web_runtime().wasm == b"w"


def test_another_tarball_is_refused(tarball, monkeypatch):
    monkeypatch.setattr(module, "SHA512", "another")
    with pytest.raises(RuntimeMissing, match="is not onnxruntime-web 1.30.0 as published: its checksum differs"):
        web_runtime(tarball)


def test_what_is_missing_is_said_with_the_remedy(tarball, tmp_path, monkeypatch):
    with pytest.raises(UserError) as error:
        web_runtime(tmp_path / "none.tgz")
    assert f"{error.value}" == f"--runtime {tmp_path / 'none.tgz'} does not exist; {BY_HAND}"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as error:
        web_runtime()
    assert f"{error.value}" == f"--html needs npm for onnxruntime-web 1.30.0, once: install npm, or {BY_HAND}"
    npm(tmp_path / "bin", "print('npm error code ENOTFOUND', file=sys.stderr); sys.exit(1)", monkeypatch)
    with pytest.raises(UserError) as error:
        web_runtime()
    expected = "npm pack onnxruntime-web@1.30.0 failed (npm error code ENOTFOUND); try again, or "
    assert f"{error.value}" == expected + BY_HAND
