"""Lists of calls are read as a PBX or a spreadsheet writes them."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.cli.call_lists import CallList, Columns, NotACallList, read_call_list

AT = datetime(2026, 12, 1, 8, 15, tzinfo=UTC)


def read(text: str, **columns: str) -> CallList:
    """Reads a file of this text."""
    return read_call_list(io.StringIO(text, newline=""), Columns(**columns))


@pytest.mark.parametrize(
    "text",
    [
        "call_id,started_at,duration\nc1,2026-12-01T08:15:00Z,90\n",
        "\ufeffCall_ID;Started_At;Duration\r\nc1;2026-12-01 09:15:00+01:00;90,0\r\n\r\n",
        '"agent"\t"duration"\t"call_id"\t"started_at"\n"Lee, Ann\nSales"\t"0:01:30"\t"c1"\t"2026-12-01 08:15"\n',
        "\n duration | started_at | call_id\n 1:30 | 1796112900 | c1 \n",
    ],
)
def test_a_list_of_any_dialect_is_read(text: str) -> None:
    """Separators, a byte order mark, quotes, line ends, order and case of columns, times and durations."""
    found = read(text)
    (call,) = found.calls.values()
    assert (call.call_id, call.started_at, call.seconds, found.faults) == ("c1", AT, 90.0, {})
    assert found.span[0] == AT


def test_a_bad_row_is_named_by_its_line_and_the_others_are_read() -> None:
    """No id, no time, no duration, too few cells, an id that was there: what is wrong, and where."""
    rows = [
        "c1,2026-12-01,5",
        ",2026-12-01,5",
        "c2,yesterday,5",
        "c3,2026-12-01,long",
        "c4",
        "c1,2026-12-01,6",
        "c5,2026-12-01,-1",
        "c6,2026-12-01,7",
    ]
    found = read("\n".join(["call_id,started_at,duration", *rows]))
    assert list(found.calls) == ["c1", "c6"]
    assert list(found.faults) == [3, 4, 5, 6, 7, 8]
    assert "'yesterday' is not a time" in found.faults[4]
    assert "'long' is not a number of seconds" in found.faults[5]
    assert found.faults[7] == "call c1 is on line 2 already"
    assert found.calls["c6"].line == 9


def test_a_quote_that_is_not_closed_loses_no_row_unnoticed() -> None:
    """It may take in the rest of the file."""
    found = read('call_id,started_at,duration\nc1,2026-12-01,5\nc2,"2026-12-01,5\nc3,2026-12-01,5\n')
    assert list(found.calls) == ["c1"]
    assert found.faults


def test_columns_have_the_names_that_are_given() -> None:
    """One that is not there is named, with the option and the columns that are."""
    text = "Id;Start;Sekunden\nc1;2026-12-01;5\n"
    assert list(read(text, id="id", start="START", duration="Sekunden").calls) == ["c1"]
    with pytest.raises(NotACallList, match=r"no column duration .* --duration-column\. Its columns: id, start, sekunden"):
        read(text, id="id", start="start")
    for empty in ("", "\n\n"):
        with pytest.raises(NotACallList, match="Its columns: none"):
            read(empty)


@given(st.text(), st.text())
def test_any_text_is_read_or_refused(header: str, rows: str) -> None:
    """Every row is a call or a fault."""
    for text in (
        header,
        "call_id,started_at,duration\n" + rows,
        f"call_id;started_at;duration;{header}\nc1;2026-12-01;5;{rows}",
    ):
        try:
            found = read(text)
        except NotACallList:
            continue
        assert all(line >= 1 for line in found.faults)


@given(
    st.lists(st.from_regex(r"\A[\w .;,\"\t-]{1,20}\Z").filter(lambda text: text.strip() == text), unique=True),
    st.sampled_from(",;\t|"),
)
def test_what_is_written_is_read(ids: list[str], separator: str) -> None:
    """Whatever is in the ids, with each separator."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator)
    writer.writerow(["call_id", "started_at", "duration"])
    writer.writerows([call_id, AT.isoformat(), 7] for call_id in ids)
    found = read(file.getvalue())
    assert (list(found.calls), found.faults) == (ids, {})
