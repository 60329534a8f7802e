"""CSV files of people and of spreadsheets: read as they are meant, or refused with the line."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from audio_cls.data.clips import DataError
from audio_cls.data.table import read_table
from audio_cls.files import cell_of

ROWS = [(2, {"file": "1.wav", "label": "Speech, man"}), (3, {"file": "2.wav", "label": "rain"})]


def table(folder: Path, content: str | bytes):
    path = folder / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, required=("file", "label"))


@pytest.mark.parametrize(
    "content",
    [
        'file,label\n1.wav,"Speech, man"\n2.wav,rain\n',
        'file,label\r\n1.wav,"Speech, man"\r\n2.wav,rain\r\n',
        'file,label\r1.wav,"Speech, man"\r2.wav,rain\r',
        "\ufefffile;label\n1.wav;Speech, man\n2.wav;rain",
        "file\tlabel\n1.wav\tSpeech, man\n2.wav\train\n",
        "file\tlabel\r\n1.wav\tSpeech, man\r\n2.wav\train\r\n".encode("utf-16"),
        'file,label,,\n1.wav,"Speech, man",,\n2.wav,rain,,\n,,,\n\n',
        'file,label\n1.wav, "Speech, man" \n2.wav,rain,,,\n'.replace('" ', '"'),
        "File ; LABEL;\n1.wav;Speech, man\n2.wav; rain\n",
        "file;label;gain (dB, A, B)\n1.wav;Speech, man;1,5\n2.wav;rain;-0,5\n",
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path, content):
    rows = table(tmp_path, content).rows
    assert [(line, {"file": row["file"], "label": row["label"]}) for line, row in rows] == ROWS


def test_the_line_that_names_the_separator_is_honoured(tmp_path):
    assert table(tmp_path, "sep=;\nfile;label\n1.wav;Speech, man\n2.wav;rain\n").rows[0] == (3, ROWS[0][1])
    assert table(tmp_path, '"sep=|"\r\nfile|label\r\n1.wav|Speech, man\r\n').rows == [(3, ROWS[0][1])]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("file,label\n1.wav,Speech, man\n2.wav,rain\n", "line 2: 3 cells, the header has 2: put quotes .* a comma"),
        ("file;label\n1.wav;Speech; man\n", "line 2: 3 cells, the header has 2: put quotes .* a semicolon"),
        ("file,label,\n1.wav,a,\n2.wav,Speech, man\n", "line 3: 3 cells, the header has 2"),
        ("file,label,,note\n1.wav,Speech, man,\n", "line 2: cell 3 stands in a column without a name"),
        ("file,label,source,fold\n1.wav,a,t,1\n2.wav,a,2\n", "line 3: 3 cells, the header has 4: .* left empty, too"),
        ('file,label\n1.wav,"rain\n2.wav,dog\n3.wav,cat"\n', "lines? 2.*: a quote does not end"),
        ('file,label\n1.wav,a\n\n2.wav,"b', "line 4: a quote does not end"),
        ('file,label\n1.wav,"rain, heavy"and wind\n', "line 2: a quote does not end where its cell ends"),
        ("file,label,Label\n1.wav,a,b\n", "line 1: column 'label' is there twice"),
        ("file,class\n1.wav,a\n", "column 'label' is missing .the nearest is 'class'"),
        ("path,label\n1.wav,a\n", "column 'file' is missing .the nearest is 'path'"),
        ("1.wav,a\n2.wav,b\n", "column 'file' is missing"),
        ("file label\n1.wav a\n", "column 'file' is missing .the nearest is 'file label'"),
        ("file,label\n\n", "lists no clips"),
        (b"PK\x03\x04...", "a workbook or an archive, not a CSV file: save it as CSV"),
        ("file,label\n1.wav,Hühner\n".encode("cp1252"), "not UTF-8 text .line 2.: save it as"),
        ("file,label\n1.wav,a\n".encode("utf-16-le"), "NUL characters: save it as"),
        (b"\xff\xfef", "not UTF-8 text: save"),
    ],
)
def test_what_could_be_misread_is_refused_naming_the_place(tmp_path, content, problem):
    with pytest.raises(DataError, match=problem):
        table(tmp_path, content)


def test_lines_with_the_same_mistake_are_named_together(tmp_path):
    with pytest.raises(DataError) as error:
        table(tmp_path, "file,label\n" + "1.wav,a,b\n" * 300 + '2.wav,"a\n')
    first, second = str(error.value).splitlines()
    assert "lines 2, 3, 4 and 297 more: 3 cells" in first and "line 302: a quote" in second


def test_a_row_may_lack_cells_where_none_can_have_moved(tmp_path):
    rows = table(tmp_path, "file,label,source\n1.wav,a\n2.wav,b,tape\n").rows
    assert rows[0][1] == {"file": "1.wav", "label": "a", "source": ""} and rows[1][1]["source"] == "tape"


def test_line_ends_of_unicode_part_no_rows(tmp_path):
    assert table(tmp_path, "file,label\n1.wav,a\u2028b\n2.wav,c\x0bd\n").rows[0][1]["label"] == "a\u2028b"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_a_csv_writer_writes_is_read_back(tmp_path, delimiter):
    random, letters = np.random.default_rng(0), list("ab ,;\t\"'é鸟=|")
    for _ in range(50):
        count = random.integers(1, 6)
        cells = [["".join(random.choice(letters, 6)).strip() or "x" for _ in range(3)] for _ in range(count)]
        file = io.StringIO()
        csv.writer(file, delimiter=delimiter).writerows(
            [["file", "label", "source"], *(map(cell_of, row) for row in cells)]
        )
        assert [list(row.values()) for _, row in table(tmp_path, file.getvalue()).rows] == cells
