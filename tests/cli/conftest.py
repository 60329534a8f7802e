import pytest
from support.study_folders import write_variant


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """The output folder in the working folder, with a study of one variant."""
    monkeypatch.chdir(tmp_path)
    write_variant(tmp_path / "outputs/esc10-holdout", "cnn")
    return tmp_path / "outputs"
