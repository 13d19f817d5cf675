"""The truth of blends: what does not hold together is refused by line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pat.errors import SpectraError
from pat.readers.truth import read_truth

TRUTH = """\
batch,revolution,true_rsd,uniform,state,remark
B1,1,40.5,0,mixing,
B1,2,2.5,1,uniform,sampled by thief
007,1,,0,Fouled,
S1,,,1,static,
S1,,,1,static,
"""


def read(folder: Path, text: str | bytes):
    path = folder / "truth.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_truth(path)


def test_columns_have_their_types_whatever_stands_in_them(tmp_path):
    found = read(tmp_path, TRUTH)
    assert found["batch"].tolist() == ["B1", "B1", "007", "S1", "S1"]  # a name, not the number 7
    np.testing.assert_array_equal(found["revolution"], [1.0, 2.0, 1.0, np.nan, np.nan])
    assert found["uniform"].dtype == np.int64
    assert found["uniform"].tolist() == [0, 1, 0, 1, 1]
    assert found["state"].tolist() == ["mixing", "uniform", "fouled", "static", "static"]
    np.testing.assert_array_equal(found["true_rsd"], [40.5, 2.5, np.nan, np.nan, np.nan])
    assert found["remark"].tolist() == ["", "sampled by thief", "", "", ""]


def test_the_samples_are_read_to_the_last_row():
    samples = Path(__file__).parents[2] / "data_samples"
    found = read_truth(samples / "truth.csv")
    # Counted by hand with awk: rows, and rows that are uniform.
    assert len(found) == 4568
    assert int(found["uniform"].sum()) == 48 + 392 + 16 + 1865


BROKEN = [
    ("", "line 1: expected a header, got an empty file"),
    (TRUTH.splitlines()[0], "line 2: expected the truth of a revolution, got the end of the file"),
    (TRUTH.replace(",", ";"), "line 1: expected commas between columns and points in decimals, got semicolons"),
    (TRUTH.replace("uniform,state", "homogeneous,state", 1), "line 1: expected a column `uniform`, got batch"),
    (TRUTH.replace("state,remark", "condition,remark"), "line 1: expected a column `state`, got batch"),
    (TRUTH.replace("B1,2,", ",2,"), "line 3, column `batch`: expected the name of a batch, got an empty cell"),
    (TRUTH.replace("B1,2,", "B1,two,"), "line 3, column `revolution`: expected a number, got 'two'"),
    (TRUTH.replace("B1,2,", "B1,2.5,"), "line 3, column `revolution`: expected a whole number of revolutions"),
    (TRUTH.replace("B1,2,", "B1,-2,"), "line 3, column `revolution`: expected a whole number of revolutions"),
    (TRUTH.replace("B1,2,", "B1,inf,"), "line 3, column `revolution`: expected a whole number of revolutions"),
    (TRUTH.replace("B1,2,", "B1,1,"), "line 3: expected every revolution once, got 1 of 'B1' again"),
    (TRUTH.replace("B1,2,", "B1,,"), "line 3, column `revolution`: expected one in every row of batch 'B1' or in none"),
    (TRUTH.replace("2.5,1", "2.5,yes"), "line 3, column `uniform`: expected a number, got 'yes'"),
    (TRUTH.replace("2.5,1", "2.5,"), "line 3, column `uniform`: expected a number, got an empty cell"),
    (TRUTH.replace("2.5,1", "2.5,0.5"), "line 3, column `uniform`: expected 1 where the blend is uniform and 0"),
    (TRUTH.replace("2.5,1", "2.5,nan"), "line 3, column `uniform`: expected 1 where the blend is uniform and 0"),
    (TRUTH.replace("2.5,1", "2.5,0"), "line 3, column `uniform`: expected 1 with state 'uniform', got 0"),
    (TRUTH.replace("40.5,0", "40.5,1"), "line 2, column `uniform`: expected 0 with state 'mixing', got 1"),
    (TRUTH.replace("Fouled", "fuoled"), "line 4, column `state`: expected one of uniform, mixing, demixing, pockets"),
    (TRUTH.replace("0,mixing,", "0,mixing"), "line 2: expected 6 cells as in the header, got 5"),
    (TRUTH.replace("thief", "Prüfer").encode("latin-1"), "expected text in UTF-8, got the byte 0xfc"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN, ids=[message[-50:] for _, message in BROKEN])
def test_every_mistake_is_named(tmp_path, content, message):
    with pytest.raises(SpectraError) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "truth.csv") in str(caught.value)
    assert message in str(caught.value)


def test_another_file_or_none_is_an_error(tmp_path):
    with pytest.raises(SpectraError, match="expected a file that can be read, got: No such file"):
        read_truth(tmp_path / "truth.csv")
    samples = Path(__file__).parents[2] / "data_samples"
    with pytest.raises(SpectraError, match="expected a column `revolution`, got batch, role"):
        read_truth(samples / "batches.csv")
