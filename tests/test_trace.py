"""Requirements, tests and the trace matrix belong together."""

from __future__ import annotations

import re

import pytest

from tests import trace

WANTED, MARKS = trace.requirements(), trace.marks()


@pytest.mark.requirement("URS-84")
def test_every_requirement_has_a_test_or_is_the_users_duty_with_a_reason() -> None:
    shown = {mark.requirement for mark in MARKS}
    for one in WANTED:
        assert (one.id in shown) is not bool(one.duty), f"{one.id}: {one.text}"


@pytest.mark.requirement("URS-84")
def test_every_mark_names_a_requirement() -> None:
    known = {one.id for one in WANTED}
    assert [mark for mark in MARKS if mark.requirement not in known] == []


def test_requirements_have_numbers_of_their_own_a_text_and_a_source() -> None:
    ids = [one.id for one in WANTED]
    assert ids == sorted(set(ids))
    for one in WANTED:
        assert re.fullmatch(r"URS-\d\d", one.id)
        assert one.text.endswith(".")
        assert one.source
        assert "|" not in one.text + one.source + one.duty


@pytest.mark.requirement("URS-84")
def test_the_matrix_is_up_to_date() -> None:
    assert trace.MATRIX.read_text(encoding="utf-8") == trace.render(WANTED, MARKS), "run `make trace`"


def test_marks_are_read_as_pytest_reads_them(tmp_path) -> None:
    (tmp_path / "test_one.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.slow\n@pytest.mark.requirement('URS-01', 'URS-02')\ndef test_a(): ...\n\n"
        "@pytest.mark.requirement('URS-03')\n@pytest.mark.parametrize('x', [1])\ndef test_b(x): ...\n\n"
        "def test_c(): ...\n"
    )
    found = [(mark.requirement, mark.test) for mark in trace.marks_in(tmp_path / "test_one.py")]
    assert found == [("URS-01", "test_a"), ("URS-02", "test_a"), ("URS-03", "test_b")]


def test_a_row_says_which_tests_show_it_or_why_none_does() -> None:
    duty = trace.Requirement("URS-02", "G", "Two.", "s", "because")
    wanted = [trace.Requirement("URS-01", "G", "One.", "s", ""), duty]
    found = [trace.Mark("URS-01", "tests/test_b.py", "test_y"), trace.Mark("URS-01", "tests/test_a.py", "test_x")]
    text = trace.render(wanted, found)
    assert "2 requirements: 1 shown by 2 tests, 1 for the user's procedures." in text
    assert "| URS-01 | One. | s | `tests/test_a.py`: x<br>`tests/test_b.py`: y |" in text
    assert "| URS-02 | Two. | s | **user's duty (procedure)**: because |" in text
