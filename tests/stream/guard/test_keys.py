"""How many keys a source may bring, and how long one may be."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from tailrace_stream.guard import keys as keys_module
from tailrace_stream.guard.keys import REST, SourceKeys, short_enough


def column(*attributes: dict[str, Any] | None) -> pl.Series:
    texts = [
        None if one is None else json.dumps(one, separators=(",", ":"))
        for one in attributes
    ]
    return pl.Series(texts, dtype=pl.String)


def after(texts: pl.Series, changed: dict[int, str]) -> list[dict[str, Any] | None]:
    known: list[str | None] = texts.to_list()
    said = [changed.get(row, text) for row, text in enumerate(known)]
    return [None if text is None else json.loads(text) for text in said]


def rest_of(attributes: dict[str, Any] | None) -> dict[str, Any]:
    assert attributes is not None
    return json.loads(attributes[REST])


def test_e6_keys_beyond_the_cap_of_a_source_stand_together_and_lose_nothing() -> None:
    keys = SourceKeys(keys_max=3)
    first = column({"a": 1, "b": {"c": 2}}, {"a": 3, "d": 4})
    assert keys.capped(first, source="shop") == {}

    later = column({"a": 5, "e": [1, 2], "b": {"c": 6, "f": "x"}}, {"d": 7}, None)
    one, two, three = after(later, keys.capped(later, source="shop"))
    assert one is not None
    assert one == {"a": 5, "b": {"c": 6}, REST: one[REST]}
    assert rest_of(one) == {"e": [1, 2], "b.f": "x"}
    assert (two, three) == ({"d": 7}, None)


def test_e6_each_source_has_a_cap_of_its_own() -> None:
    keys = SourceKeys(keys_max=1)
    assert keys.capped(column({"a": 1}), source="one") == {}
    assert keys.capped(column({"b": 1}), source="two") == {}
    assert list(keys.capped(column({"b": 1}), source="one")) == [0]


def test_e6_a_key_for_each_line_never_makes_more_than_the_cap() -> None:
    keys = SourceKeys(keys_max=100)
    stayed: set[str] = set()
    for part in range(20):
        made: list[dict[str, Any]] = [
            {"same": n, "users": {f"u{part}-{n}": n}} for n in range(200)
        ]
        texts = column(*made)
        for before, now in zip(
            made, after(texts, keys.capped(texts, source="shop")), strict=True
        ):
            assert now is not None
            users = {f"users.{name}" for name in now.get("users", {})}
            stayed |= users
            whole = users or set(rest_of(now))
            assert whole == {f"users.{name}" for name in before["users"]}
            assert now["same"] == before["same"]
    assert len(stayed) == 99


def test_e6_what_is_in_a_list_counts_and_goes_as_a_whole() -> None:
    keys = SourceKeys(keys_max=2)
    texts = column({"l": [{"x": 1}, {"y": 2}]}, {"l": [{"x": 1}, {"z": 3}]})
    one, two = after(texts, keys.capped(texts, source="s"))
    assert one == {"l": [{"x": 1}, {"y": 2}]}
    assert rest_of(two) == {"l": [{"x": 1}, {"z": 3}]}


def test_e6_a_key_of_a_users_own_by_the_name_of_the_rest_is_kept() -> None:
    keys = SourceKeys(keys_max=1)
    texts = column({REST: "mine", "other": 1})
    (one,) = after(texts, keys.capped(texts, source="s"))
    assert rest_of(one) == {REST: "mine", "other": 1}


def test_e6_a_source_without_news_is_looked_at_in_samples_and_news_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A key that every line brings is in every sample."""
    keys = SourceKeys(keys_max=2)
    same = column(*({"a": n} for n in range(800)))
    assert keys.capped(same, source="s") == {}
    looked: list[int] = []
    real = keys_module._new_shapes  # pyright: ignore[reportPrivateUsage]

    def counted(attributes: pl.Series, seen: Any) -> pl.DataFrame:  # noqa: ANN401 - private
        looked.append(len(attributes))
        return real(attributes, seen)

    monkeypatch.setattr(keys_module, "_new_shapes", counted)
    assert keys.capped(same, source="s") == {}
    assert looked == [100]
    assert keys.capped(column(*({"b": n} for n in range(800))), source="s") == {}
    assert looked == [100, 100, 800]
    third = column(*({"c": n} for n in range(800)))
    assert len(keys.capped(third, source="s")) == 800
    # From then on each line is looked at.
    fourth = column(*({"a": n} for n in range(799)), {"d": 1})
    assert list(keys.capped(fourth, source="s")) == [799]


def test_e6_sources_and_shapes_are_remembered_up_to_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys_module, "SOURCES_MAX", 2)
    monkeypatch.setattr(keys_module, "SHAPES_MAX", 1)
    keys = SourceKeys(keys_max=1)
    for source in ("one", "two", "three"):
        assert keys.capped(column({"a": 1}, {"a": []}), source=source) == {}
    # The first is forgotten, and begins anew.
    assert keys.capped(column({"b": 1}), source="one") == {}
    assert keys.capped(column({"b": 1}), source="three") == {
        0: '{"_rest":"{\\"b\\":1}"}'
    }


def test_e5_a_key_or_value_that_no_word_holds_is_put_apart() -> None:
    long_key = "k" * 40_000
    wide = "\u6587" * 8_191
    texts = column(
        {"a": 1, long_key: "x", "in": {long_key: 2}},
        {"a": "b" * 40_000},
        {"k" * 9_000: wide},
        {"short": 1},
    )
    assert set(short_enough(texts)) == {0, 2}
    one, two, three, four = after(texts, short_enough(texts))
    assert one is not None
    assert one == {"a": 1, REST: one[REST]}
    assert rest_of(one) == {long_key: "x", f"in.{long_key}": 2}
    # The index makes no word of a value that is longer than it takes.
    assert two == {"a": "b" * 40_000}
    assert rest_of(three) == {"k" * 9_000: wide}
    assert four == {"short": 1}
    for row in after(texts, short_enough(texts)):
        assert row is not None
        rest = row.get(REST, "")
        assert len(rest) > 8_191 or len(rest.encode()) < 32_000
