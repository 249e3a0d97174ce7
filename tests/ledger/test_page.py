"""The ledger's page is what the stored records give, and each record is complete."""

import json

import pytest
from ledger import __main__ as ledger
from ledger import page
from mutants import EQUIVALENT, ROOT

MODULES = [name for name in page.SECTIONS if (ledger.HERE / f"{name}.py").exists()]
RECORDS = page.stored()


def test_the_page_is_what_the_stored_records_give():
    told = "run `python tests/ledger`; the page is not edited by hand"
    assert page.PAGE.read_text(encoding="utf-8") == page.render(RECORDS), told


def test_every_section_has_a_record_and_every_record_a_section():
    assert sorted(path.stem for path in page.STORED.glob("*.json")) == sorted(MODULES)


@pytest.mark.parametrize("section", MODULES)
def test_a_section_can_record(section):
    assert callable(ledger.section_module(section).record)


@pytest.mark.parametrize("section", RECORDS)
def test_a_stored_record_is_complete(section):
    page.check(section, RECORDS[section])


def test_what_is_said_to_make_no_difference_is_a_change_of_the_code_as_it_is():
    told = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    lines = {
        file: {line.strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines()}
        for file in {one["file"] for one in told}
    }
    gone = [one for one in told if one["before"] not in lines[one["file"]]]
    assert not gone, "these lines have changed: remove their entries"
    assert all(one["before"] != one["after"] and one["why"].endswith(".") for one in told)


def row(**changes):
    return {"subject": "a|b", "tried": "c", "times": 1200, "found": "d", "holds": True} | changes


def test_a_row_that_fails_stays_on_the_page_and_is_counted():
    stamps = {"command": "python", "machine": "one core", "date": "2026-11-29"}
    text = page.render({"faults": stamps | {"rows": [row(), row(holds=False), row(holds="only on Linux")]}})
    assert "| [Interruptions](#interruptions) |" in text and "| 3 | 3,600 | 1 | 2 |" in text
    assert "| a\\|b | c | 1,200 | d | yes |" in text and "| **no** |" in text and "| only on Linux |" in text


@pytest.mark.parametrize("wrong", [{"holds": 1}, {"holds": None}, {"times": 2.5}])
def test_an_incomplete_record_is_refused(wrong):
    stamps = {"command": "python", "machine": "one core", "date": "2026-11-29"}
    with pytest.raises(ValueError, match="row 0 of faults"):
        page.check("faults", stamps | {"rows": [row(**wrong)]})
    with pytest.raises(ValueError, match="lacks \\['rows'\\]"):
        page.check("faults", stamps)
