"""The law that no text of people is taken for a log, held by text that nobody chose."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.detect import AUTO, GENERIC, detect, shape_of
from tests.stream import prose
from tests.stream.golden import documents_of, placement_of


@pytest.mark.parametrize("genre", sorted(prose.GENRES))
@given(data=st.data())
@settings(max_examples=200)
def test_no_line_that_people_write_has_the_shape_of_a_log(
    genre: str, data: st.DataObject
) -> None:
    line = data.draw(prose.GENRES[genre])
    assert shape_of(line.encode()) is None


@given(
    lines=st.lists(prose.lines, min_size=1, max_size=8),
    name=st.sampled_from(["x.log", "/srv/kafka/notes.txt", "auth.log"]),
)
@settings(max_examples=50)
def test_no_file_of_what_people_write_is_one_of_a_dataset(
    lines: list[str], name: str
) -> None:
    found = detect("\n".join((*lines, "")).encode(), path=name)
    assert (found.dataset, found.parser) == (GENERIC, AUTO)


@given(lines=st.lists(prose.lines, min_size=1, max_size=8))
@settings(max_examples=25)
def test_what_people_write_stays_as_they_wrote_it(lines: list[str]) -> None:
    content = "\n".join((*lines, "")).encode()
    made = documents_of(content, placed=placement_of("some.own"))
    assert [one["message"] for one in made] == lines
    assert not {name for one in made for name in one} & {"event.category", "log.level"}
