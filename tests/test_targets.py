from pathlib import Path

import pytest

from audio_cls.targets import arguments_for, import_target


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("Gru", "is no name of a class or function"),
        ("gru.Gru; import os", "is no name of a class or function"),
        ("nowhere_at_all.Gru", "cannot be imported (No module named 'nowhere_at_all'); put the folder of its file on"),
        ("pathlib.Pat", "pathlib has no Pat; did you mean Path?"),
    ],
)
def test_what_cannot_be_imported_is_told_in_one_line(target: str, problem: str) -> None:
    with pytest.raises(ValueError) as error:
        import_target(target)
    assert problem in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("import sys; sys.exit(3)", "SystemExit: 3")],
)
def test_a_module_that_fails_while_it_is_imported_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    (tmp_path / "broken_module.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=rf"broken_module.Gru cannot be imported \({said}"):
        import_target("broken_module.Gru")


def recurrent(num_classes: int, *, d_hidden: int, dropout: float = 0.0) -> None: ...


def test_a_function_gets_what_is_given_and_what_it_names_of_what_is_offered() -> None:
    assert import_target("pathlib.Path") is Path
    offered = {"num_classes": 3, "sample_rate": 16000}
    assert arguments_for(recurrent, {"d_hidden": 8}, offered) == {"num_classes": 3, "d_hidden": 8}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"d_hiden": 8}, "d_hiden is no argument of recurrent; did you mean d_hidden?"),
        ({"layers": 8}, "layers is no argument of recurrent; it takes num_classes, d_hidden, dropout"),
        ({}, "d_hidden is missing: recurrent needs it; add the key"),
    ],
)
def test_keys_that_do_not_fit_the_signature_are_told(given: dict[str, int], problem: str) -> None:
    with pytest.raises(ValueError) as error:
        arguments_for(recurrent, given, {"num_classes": 3})
    assert str(error.value) == problem
