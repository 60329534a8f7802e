from pathlib import Path

import pytest
from support.study_folders import write_variant

from audio_cls.cli.main import main as audio_cls
from audio_cls.cli.publish import main


@pytest.mark.parametrize("studies", [[], ["esc10-holdout", "other"]])
def test_an_ensemble_is_published_with_one_study(outputs, capsys, studies):
    write_variant(outputs / "other", "cnn")
    assert main([*studies, "--ensemble", "cnn,transformer_h4"]) == 2
    assert "--ensemble belongs to one study" in capsys.readouterr().err


def test_only_the_documents_that_were_written_are_named(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    assert main([]) == 0
    assert "README" not in capsys.readouterr().out
    assert not Path("README.md").exists()


def test_it_is_no_command_of_audio_cls(capsys):
    with pytest.raises(SystemExit):
        audio_cls(["--help"])
    assert "publish" not in capsys.readouterr().out


def test_a_mistake_is_one_line_with_status_2(outputs, capsys):
    assert main(["nowhere"]) == 2
    assert capsys.readouterr().err.startswith("publish: no study 'nowhere'")
