from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pat.errors import SpectraError
from pat.readers.csv import read_csv
from pat.spectra import content_sha256

SPECTRA = """\
batch,time,revolution,instrument,api,950,956.2,962.4
B1,2026-03-02T08:00:00Z,1,NIR-1,10.02,0.41,0.42,0.43
B1,2026-03-02T08:00:05Z,2,NIR-1,,0.51,0.52,0.53
B2,2026-03-02T10:00:00+01:00,,NIR-1,9.5,0.61,0.62,0.63
"""
MORE = """\
batch,time,revolution,instrument,950,956.2,962.4
B3,2026-03-03T08:00:00.25Z,1,NIR-1,0.71,0.72,0.73
"""
FACTS = """\
batch,role,lot,day,speed,operator,simulated
B2,validation,0012,2026-03-02,,007,1
B1,calibration,11,2026-03-02,12.5,12E4,1
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(SPECTRA)
    Path("b.csv").write_text(MORE)
    Path("facts.csv").write_text(FACTS)
    return Path(tmp_path)


def refused(paths, batches=None) -> str:
    with pytest.raises(SpectraError) as caught:
        read_csv(paths, batches)
    return str(caught.value)


def test_a_file_becomes_a_dataset(folder):
    ds = read_csv(["a.csv"])
    np.testing.assert_array_equal(ds["absorbance"], [[0.41, 0.42, 0.43], [0.51, 0.52, 0.53], [0.61, 0.62, 0.63]])
    np.testing.assert_array_equal(ds["wavelength"], [950.0, 956.2, 962.4])
    assert ds["batch"].values.tolist() == ["B1", "B1", "B2"]
    assert ds["instrument"].values.tolist() == ["NIR-1"] * 3
    expected = ["2026-03-02T08:00:00", "2026-03-02T08:00:05", "2026-03-02T09:00:00"]
    np.testing.assert_array_equal(ds["time"], np.array(expected, "datetime64[ns]"))
    np.testing.assert_array_equal(ds["revolution"], [1.0, 2.0, np.nan])
    np.testing.assert_array_equal(ds["api"], [10.02, np.nan, 9.5])
    assert ds["api"].attrs == {"units": ""}
    assert ds["batch_id"].values.tolist() == ["B1", "B2"]
    assert ds.attrs == {"sha256": content_sha256(ds)}


def test_facts_are_numbers_where_they_are_numbers(folder):
    ds = read_csv("a.csv", "facts.csv")
    assert ds["batch_id"].values.tolist() == ["B1", "B2"]
    facts = {name: ds[name].values.tolist() for name in ("role", "lot", "day", "operator")}
    assert facts == {
        "role": ["calibration", "validation"],
        "lot": ["11", "0012"],
        "day": ["2026-03-02", "2026-03-02"],
        "operator": ["12E4", "007"],  # neither 120000 nor 7
    }
    np.testing.assert_array_equal(ds["speed"], [12.5, np.nan])
    assert ds.attrs["simulated"] == 1


def test_a_lot_is_text_even_if_every_lot_is_a_number(folder):
    Path("facts.csv").write_text("batch,lot,cup\nB1,1,1\nB2,2,2e+01\n")
    ds = read_csv(["a.csv"], "facts.csv")
    assert ds["lot"].values.tolist() == ["1", "2"]
    assert ds["cup"].values.tolist() == [1.0, 20.0]


def test_files_follow_each_other(folder):
    ds = read_csv(["b.csv", "a.csv"])
    assert ds["batch"].values.tolist() == ["B3", "B1", "B1", "B2"]
    assert str(ds["time"].values[0]) == "2026-03-03T08:00:00.250000000"
    np.testing.assert_array_equal(ds["api"], [np.nan, 10.02, np.nan, 9.5])
    np.testing.assert_array_equal(ds["absorbance"][0], [0.71, 0.72, 0.73])


def test_units_may_stand_in_brackets(folder):
    Path("a.csv").write_text(SPECTRA.replace(",api,", ",api [% w/w],"))
    assert read_csv(["a.csv"])["api"].attrs == {"units": "% w/w"}
    Path("b.csv").write_text(SPECTRA.replace(",api,", ",api [mg],").replace("B1", "B4").replace("B2", "B5"))
    assert "`api`: expected the same units in every file, got ['% w/w', 'mg']" in refused(["a.csv", "b.csv"])


def test_revolutions_may_be_left_out(folder):
    Path("a.csv").write_text("batch,time,instrument,950,960\nB1,2026-03-02T08:00Z,NIR-1,0.1,0.2\n")
    assert np.isnan(read_csv(["a.csv"])["revolution"].values).all()


def test_the_facts_may_name_the_instrument(folder):
    Path("a.csv").write_text("batch,time,950,960\nB1,2026-03-02T08:00Z,0.1,0.2\n")
    Path("facts.csv").write_text("batch,instrument\nB1,7\n")
    ds = read_csv(["a.csv"], "facts.csv")
    assert ds["instrument"].values.tolist() == ["7"]
    Path("a.csv").write_text(SPECTRA)
    Path("facts.csv").write_text("batch,instrument\nB1,NIR-1\nB2,NIR-2\n")
    expected = "row 2 (a.csv, line 4), column `instrument`: expected 'NIR-2' as in the facts of batch 'B2', got 'NIR-1'"
    assert expected in refused(["a.csv"], "facts.csv")


def test_marks_and_line_ends_of_other_systems_and_empty_lines_are_read(folder):
    expected = read_csv(["a.csv"])
    text = SPECTRA.replace("\nB2", "\n\nB2").replace("B1", '"B1"').replace("\n", "\r\n")
    Path("a.csv").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")  # as a spreadsheet saves "CSV UTF-8"
    assert read_csv(["a.csv"]).identical(expected)
    Path("a.csv").write_text(SPECTRA.replace("\nB2", "\n\nB2").replace("0.62", "x"))
    assert "row 2 (a.csv, line 5), column `956.2`" in refused(["a.csv"])


def replaced(old, new):
    return SPECTRA.replace(old, new, 1).encode()


BROKEN = [
    (b"", "a.csv, line 1: expected a header, got an empty file"),
    (SPECTRA.splitlines()[0].encode(), "a.csv, line 2: expected a spectrum, got the end of the file"),
    (replaced("batch", "sample"), "a.csv, line 1: expected a column `batch`, got sample, time, revolution, instrument"),
    (replaced("time", "when"), "a.csv, line 1: expected a column `time`, got batch, when"),
    (replaced("instrument", "sensor"), "a.csv, line 1: expected a column `instrument`, got batch"),
    (replaced("api", ""), "a.csv, line 1, column 5: expected a name, got an empty cell"),
    (replaced("api", "time"), "a.csv, line 1, column 5: expected a new name, got `time` again"),
    (replaced("956.2", "950"), "a.csv, line 1, column 7: expected a new name, got `950` again"),
    (replaced("956.2", "950.0"), "`wavelength` column 1: expected more than in the column before"),
    (replaced("962.4", "water"), "a.csv, line 1: expected only wavelengths after `950`, got `water`"),
    (replaced("950,956.2,962.4", "a,b,c"), "a.csv, line 1: expected columns named after wavelengths in nm, got batch,"),
    (
        replaced("950,956.2,962.4", "0.95,0.96,0.97"),
        "`wavelength` column 0: expected nm, between 350 and 3300, got 0.95",
    ),
    (replaced("962.4", "999"), "`wavelength` column 2: expected an axis without gaps"),
    (replaced("api", "absorbance"), "a.csv, line 1, column `absorbance`: expected a new analyte"),
    (SPECTRA.replace(",", ";").encode(), "expected commas between columns and points in decimals, got semicolons"),
    (SPECTRA.replace(",", ";").replace(".", ",").encode(), "expected commas between columns and points in decimals"),
    (SPECTRA.replace(",", "\t").encode(), "expected commas between columns and points in decimals, got tabs"),
    (replaced("0.52", '"0,52"'), "row 1 (a.csv, line 3), column `956.2`: expected a number, got '0,52'"),
    (replaced("0.52", "0,52"), "row 1 (a.csv, line 3): expected 8 cells as in the header, got 9"),
    (replaced(",0.53", ""), "row 1 (a.csv, line 3): expected 8 cells as in the header, got 7"),
    (replaced("0.52", ""), "row 1 (a.csv, line 3), column `956.2`: expected a number, got an empty cell"),
    (replaced("0.52", "0_52"), "row 1 (a.csv, line 3), column `956.2`: expected a number, got '0_52'"),
    (
        replaced("0.52", "nan"),
        "`absorbance` row 1 (a.csv, line 3), column 1 (956.2 nm): expected a finite number, got nan",
    ),
    (
        replaced("0.52", "inf"),
        "`absorbance` row 1 (a.csv, line 3), column 1 (956.2 nm): expected a finite number, got inf",
    ),
    (replaced("10.02", "ten"), "row 0 (a.csv, line 2), column `api`: expected a number, got 'ten'"),
    (replaced("10.02", "inf"), "`api` row 0 (a.csv, line 2): expected a finite number"),
    (replaced(",2,NIR", ",two,NIR"), "row 1 (a.csv, line 3), column `revolution`: expected a number, got 'two'"),
    (
        replaced(",2,NIR", ",1,NIR"),
        "`revolution` row 1 (a.csv, line 3): expected a value above 1.0, that of row 0 (a.csv, line 2)",
    ),
    (replaced("08:00:05Z", "08:00:00Z"), "`time` row 1 (a.csv, line 3): expected a value above 2026-03-02T08:00:00"),
    (
        replaced("08:00:05Z", "08:00:05"),
        "row 1 (a.csv, line 3), column `time`: expected a time with `Z` or an offset from UTC",
    ),
    (
        replaced("2026-03-02T08:00:05Z", "yesterday"),
        "column `time`: expected a time like 2026-03-02T08:00:00Z, got 'yesterday'",
    ),
    (
        replaced("2026-03-02T08:00:05Z", ""),
        "column `time`: expected a time like 2026-03-02T08:00:00Z, got an empty cell",
    ),
    (
        replaced("2026-03-02T08:00:05Z", "2026-02-30T08:00:05Z"),
        "column `time`: expected a time like 2026-03-02T08:00:00Z, got",
    ),
    (
        replaced("2026-03-02T08:00:05Z", "9026-03-02T08:00:05Z"),
        "column `time`: expected a year from 1900 to 2199, got '9026",
    ),
    (replaced("\nB1", "\n"), "`batch` row 0 (a.csv, line 2): expected a name without blanks around it, got ''"),
    (replaced("NIR-1", ""), "`instrument` row 0 (a.csv, line 2): expected a name"),
    (SPECTRA.replace("B2", "Bü2").encode("latin-1"), "a.csv: expected text in UTF-8, got the byte 0xfc"),
    (SPECTRA.encode("utf-16"), "a.csv: expected text in UTF-8, got the byte 0xff (is it UTF-16?)"),
    (SPECTRA.encode("utf-16-le"), "is it UTF-16?"),
    (replaced("\nB2", '\n"B2'), "expected CSV, got a broken line"),
]


@pytest.mark.requirement("URS-01")
@pytest.mark.parametrize(("content", "message"), BROKEN, ids=[message[-50:] for _, message in BROKEN])
def test_every_violation_is_named(folder, content, message):
    Path("a.csv").write_bytes(content)
    assert message in refused(["a.csv"])


@pytest.mark.requirement("URS-01")
def test_percent_reflectance_is_not_absorbance(folder):
    Path("a.csv").write_text(SPECTRA.replace(",0.", ",45."))
    message = refused(["a.csv"])
    assert "`absorbance` row 0 (a.csv, line 2): expected absorbance in AU, below 10, got a median of 45.42" in message
    assert "log10(100 / percent)" in message


def test_rows_are_counted_through_all_files(folder):
    Path("b.csv").write_text(MORE.replace("0.72", "x"))
    assert "row 3 (b.csv, line 2), column `956.2`: expected a number, got 'x'" in refused(["a.csv", "b.csv"])
    Path("b.csv").write_text(MORE.replace("B3", "B1").replace("2026-03-03", "2026-03-01"))
    message = refused(["a.csv", "b.csv"])
    assert "`time` row 3 (b.csv, line 2): expected a value above 2026-03-02T08:00:05" in message
    assert "that of row 1 (a.csv, line 3)" in message


# --- spectra that stand there twice


def test_a_batch_under_a_second_name_is_refused_with_both_names_and_rows(folder):
    Path("a.csv").write_text(SPECTRA + SPECTRA.splitlines()[1].replace("B1", "B9").replace("03-02", "03-05") + "\n")
    message = refused(["a.csv"])
    assert "row 3 (a.csv, line 5), batch 'B9': expected a spectrum of its own" in message
    assert "got that of row 0 (a.csv, line 2), batch 'B1', again" in message
    assert "(1 such spectra in all)" in message


@pytest.mark.requirement("URS-01")
def test_a_file_that_is_given_twice_or_copied_is_refused(folder):
    assert "a.csv: expected every file once, got it again" in refused(["a.csv", "./a.csv"])
    Path("copy.csv").write_text(SPECTRA)
    message = refused(["a.csv", "copy.csv"])
    assert "row 3 (copy.csv, line 2), batch 'B1': expected a spectrum of its own" in message
    assert "got that of row 0 (a.csv, line 2)" in message
    assert "(3 such spectra in all)" in message
    Path("copy.csv").write_text(SPECTRA.replace("B1", "C1").replace("B2", "C2"))
    assert "row 3 (copy.csv, line 2), batch 'C1': expected a spectrum of its own" in refused(["a.csv", "copy.csv"])


def test_a_stuck_or_a_dead_sensor_is_no_copy(folder):
    # The same digits again in one batch of one file: the scorer's FROZEN, not somebody's copy.
    Path("a.csv").write_text(SPECTRA.replace("0.51,0.52,0.53", "0.41,0.42,0.43"))
    assert read_csv(["a.csv"]).sizes["spectrum"] == 3
    # Readings without structure are the same whoever gives them.
    Path("a.csv").write_text(SPECTRA.replace("0.51,0.52,0.53", "6,6,6").replace("0.61,0.62,0.63", "6,6,6"))
    assert read_csv(["a.csv"]).sizes["spectrum"] == 3


def test_axes_must_be_the_same(folder):
    Path("b.csv").write_text(MORE.replace("956.2", "956.3"))
    assert "b.csv, line 1, column `956.3`: expected 956.2 nm as in a.csv, got 956.3" in refused(["a.csv", "b.csv"])
    Path("b.csv").write_text(MORE.replace(",962.4", "").replace(",0.73", ""))
    assert "b.csv, line 1: expected 3 wavelengths as in a.csv, got 2" in refused(["a.csv", "b.csv"])
    Path("b.csv").write_text(MORE.replace("956.2", "956.20"))
    read_csv(["a.csv", "b.csv"])


def test_what_is_not_there_or_not_a_file(folder):
    assert "z.csv: expected a file that can be read, got: No such file" in refused(["z.csv"])
    assert ".: expected a file that can be read, got: Is a directory" in refused(["."])
    assert "at least one CSV file of spectra, got none" in refused([])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("role\nx\n", "facts.csv, line 1: expected a column `batch`, got role"),
        (
            FACTS + "B1,accepted,1,2026-03-02,1,1,1\n",
            "line 4, column `batch`: expected every batch once, got 'B1' again",
        ),
        (
            FACTS + "B7,accepted,1,2026-03-02,1,1,1\n",
            "line 4, column `batch`: expected a batch that has spectra, got 'B7'",
        ),
        ("batch,role\nB1,calibration\n", "facts.csv: expected a row for every batch, got none for 'B2'"),
        (FACTS.replace("12.5", "fast"), "facts.csv, line 3, column `speed`: expected a number, got 'fast'"),
        (FACTS.replace(",12E4", ""), "facts.csv, line 3: expected 7 cells as in the header, got 6"),
        (
            FACTS.replace("day", "time"),
            "facts.csv, line 1: expected names of batch facts, got `time`, which spectra have",
        ),
        (FACTS.replace("day", "api"), "`api`: expected a batch fact with a name of its own"),
        (FACTS.replace("day", "a/b"), "`a/b`: expected a name of letters"),
        (
            FACTS.replace("validation", "validaton"),
            "facts.csv, line 2, column `role`: expected one of calibration, new_reference, validation, repeatability, "
            "accepted, blend_validation, held_out, interference, specificity, got 'validaton'",
        ),
        (FACTS.replace("validation", ""), "facts.csv, line 2, column `role`: expected one of calibration"),
        (
            FACTS.replace("role", "Role"),
            "`Role`: expected `role`, or a name that differs from it by more than capitals",
        ),
        (FACTS.replace(",", ";"), "facts.csv, line 1: expected commas between columns"),
    ],
)
def test_facts_that_do_not_fit(folder, facts, message):
    Path("facts.csv").write_text(facts)
    assert message in refused(["a.csv"], "facts.csv")


numbers = st.floats(-9.0, 9.0)


@settings(max_examples=25, deadline=None)
@given(
    absorbance=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4),
    steps=st.lists(st.integers(1, 10**15), min_size=4, max_size=4),
    batch=st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=4),
    api=st.lists(numbers | st.just(np.nan), min_size=4, max_size=4),
)
def test_what_csv_writes_is_read_to_the_last_bit(tmp_path_factory, absorbance, steps, batch, api):
    n = len(absorbance)
    time = np.datetime64("2026-03-02T08:00:00", "us") + np.cumsum(steps[:n])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["batch", "time", "instrument", "api", "1000", "1002.5"])
        for i, spectrum in enumerate(absorbance):
            writer.writerow(
                [batch, f"{time[i]}Z", "NIR-1", "" if np.isnan(api[i]) else repr(api[i]), *map(repr, spectrum)]
            )
    ds = read_csv([path])
    assert ds["absorbance"].values.tobytes() == np.array(absorbance).tobytes()
    np.testing.assert_array_equal(ds["time"], time.astype("datetime64[ns]"))
    np.testing.assert_array_equal(ds["api"], api[:n])
    assert ds["batch"].values.tolist() == [batch] * n
