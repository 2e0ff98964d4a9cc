"""What is known of a line's address stands beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tailrace_stream.chunk import process_chunk
from tailrace_stream.enrich import databases
from tailrace_stream.enrich.addresses import Addresses
from tailrace_stream.enrich.databases import facts_of
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tests.stream.builders import ACCESS_LINE, NAMESPACE, origin, placement
from tests.stream.enrich.builders import StepClock, enriched, only, write_database

CITY = {
    "country": {"iso_code": "SE", "names": {"en": "Sweden", "sv": "Sverige"}},
    "subdivisions": [{"iso_code": "E", "names": {"en": "Östergötland County"}}],
    "city": {"names": {"en": "Linköping"}},
    "location": {"latitude": 58.4167, "longitude": 15.6167},
}
NETWORK = {
    "autonomous_system_number": 29518,
    "autonomous_system_organization": "Bredband2 AB",
}
ADDRESS = "89.160.20.112"


def access_line(address: str) -> bytes:
    return ACCESS_LINE.replace(b"203.0.113.7", address.encode())


def geo_of(document: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in document.items() if ".geo." in k or ".as." in k}


def both(folder: Path, clock: StepClock | None = None) -> Enrichment:
    city = write_database(folder / "city.mmdb", {"89.160.20.0/24": CITY})
    network = write_database(
        folder / "asn.mmdb", {"89.160.0.0/17": NETWORK}, kind="GeoLite2-ASN"
    )
    return only(clock, geo=True, geo_databases=[city, network])


def test_address_gets_city_and_network_of_the_users_databases(tmp_path: Path) -> None:
    document = enriched(access_line(ADDRESS), by=both(tmp_path), parser="access")[0]
    assert geo_of(document) == {
        "source.geo.country_iso_code": "SE",
        "source.geo.country_name": "Sweden",
        "source.geo.region_name": "Östergötland County",
        "source.geo.city_name": "Linköping",
        "source.geo.location": {"lat": 58.4167, "lon": 15.6167},
        "source.as.number": 29518,
        "source.as.organization.name": "Bredband2 AB",
    }


def test_without_a_database_the_country_is_that_of_the_registry() -> None:
    lines = [access_line("193.0.6.139"), access_line("2001:67c:2e8:22::c100:68b")]
    made = enriched(*lines, by=only(geo=True), parser="access")
    assert [geo_of(one) for one in made] == [{"source.geo.country_iso_code": "NL"}] * 2


def test_address_that_no_database_has_falls_back_to_the_registry(
    tmp_path: Path,
) -> None:
    made = enriched(access_line("193.0.6.139"), by=both(tmp_path), parser="access")
    assert geo_of(made[0]) == {"source.geo.country_iso_code": "NL"}


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "fe80::1", "not.a.host"])
def test_address_of_no_country_adds_nothing(address: str) -> None:
    document = enriched(access_line(address), by=only(geo=True), parser="access")[0]
    assert geo_of(document) == {}


def test_address_in_a_field_for_any_address_is_looked_up_too() -> None:
    line = '{"message":"x","source.address":"193.0.6.139"}'
    document = enriched(line, by=only(geo=True), parser="json")[0]
    assert geo_of(document) == {"source.geo.country_iso_code": "NL"}


def test_each_distinct_address_is_looked_up_once() -> None:
    asked: list[str] = []

    def counting() -> databases.LookUp:
        def look_up(address: str) -> databases.Facts:
            asked.append(address)
            return {"geo.country_iso_code": "XX"}

        return look_up

    by = Enrichment(addresses=Addresses([], registered=counting()))
    lines = [access_line(f"192.0.2.{n % 3}") for n in range(300)]
    made = enriched(*lines, by=by, parser="access")
    assert sorted(asked) == ["192.0.2.0", "192.0.2.1", "192.0.2.2"]
    assert [geo_of(one) for one in made] == [
        {"source.geo.country_iso_code": "XX"}
    ] * 300


def test_database_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    clock = StepClock()
    by = both(tmp_path, clock)
    line = access_line(ADDRESS)
    assert (
        enriched(line, by=by, parser="access")[0]["source.geo.country_iso_code"] == "SE"
    )
    other = {**CITY, "country": {"iso_code": "NO", "names": {"en": "Norway"}}}
    write_database(tmp_path / "new.mmdb", {"89.160.20.0/24": other})
    (tmp_path / "new.mmdb").replace(tmp_path / "city.mmdb")
    clock.sleep_ms(1_500)
    assert (
        enriched(line, by=by, parser="access")[0]["source.geo.country_iso_code"] == "NO"
    )


def test_database_that_is_written_over_in_its_place_ends_nobody(tmp_path: Path) -> None:
    """It is mapped into memory: reading behind a file's end would end the process."""
    clock = StepClock()
    by = both(tmp_path, clock)
    os.truncate(tmp_path / "city.mmdb", 0)
    document = enriched(access_line(ADDRESS), by=by, parser="access")[0]
    assert document["source.geo.city_name"] == "Linköping"
    clock.sleep_ms(1_500)
    document = enriched(access_line("89.160.20.113"), by=by, parser="access")[0]
    assert document["source.geo.city_name"] == "Linköping"
    assert [alarm.split("city.mmdb ")[1] for alarm in by.alarms()] == [
        "is no database of the format mmdb"
    ]


def test_worker_begins_without_a_database_that_is_not_there_and_says_so(
    tmp_path: Path,
) -> None:
    by = only(geo=True, geo_databases=[tmp_path / "none.mmdb"])
    made = enriched(access_line("193.0.6.139"), by=by, parser="access")
    assert geo_of(made[0]) == {"source.geo.country_iso_code": "NL"}
    assert by.alarms() == (
        f"{tmp_path / 'none.mmdb'} cannot be read: No such file or directory",
    )


def test_record_of_the_flat_shape_is_read() -> None:
    assert facts_of(
        {
            "country": "Germany",
            "country_code": "DE",
            "asn": "AS3320",
            "as_name": "Deutsche Telekom AG",
        }
    ) == {
        "geo.country_iso_code": "DE",
        "geo.country_name": "Germany",
        "as.number": 3320,
        "as.organization.name": "Deutsche Telekom AG",
    }


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        7,
        {"country": 7, "city": [], "location": "x", "asn": "ASX"},
        {"subdivisions": []},
        {"location": {"latitude": 1.0}},
    ],
)
def test_record_of_no_known_shape_says_nothing(record: object) -> None:
    assert facts_of(record) == {}


def test_enriched_document_has_no_name_twice_where_a_line_says_it_itself() -> None:
    """An index refuses an object with one name twice."""
    line = '{"message":"x","source.address":"193.0.6.139"}'
    by = only(geo=True)
    frame_line = enriched(line, by=by, parser="json")[0]
    assert frame_line["source.geo.country_iso_code"] == "NL"
    import polars as pl

    parsed = pl.DataFrame(
        {
            "source.ip": ["193.0.6.139", "193.0.6.139"],
            "source.geo.city_name": ["Atlantis", None],
        }
    )
    made = by.enriched(
        parsed, text=pl.Series(["a", "b"]), origin=origin(b"")
    ).get_column("_enriched")
    assert made.to_list() == ["", ',"source.geo.country_iso_code":"NL"']


def test_chunk_gives_the_same_bytes_at_each_reading_and_in_each_worker(
    tmp_path: Path,
) -> None:
    value = b"".join(access_line(f"89.160.20.{n}") + b"\n" for n in range(50))
    made = origin(value, placed=placement("access", dataset="nginx.access"))
    bodies = {
        process_chunk(value, origin=made, namespace=NAMESPACE, enrichment=by)
        .pieces[0]
        .body
        for by in (both(tmp_path), both(tmp_path))
        for _ in range(2)
    }
    assert len(bodies) == 1


def test_identity_and_place_depend_on_no_data(tmp_path: Path) -> None:
    """So whoever has other data stores no line twice: the second is refused by its id."""
    value = access_line(ADDRESS) + b"\n"
    made = origin(value, placed=placement("access", dataset="nginx.access"))
    actions = {
        process_chunk(value, origin=made, namespace=NAMESPACE, enrichment=by)
        .pieces[0]
        .body.partition(b"\n")[0]
        for by in (NO_ENRICHMENT, only(geo=True), both(tmp_path))
    }
    assert len(actions) == 1


def test_what_is_off_changes_no_byte() -> None:
    value = ACCESS_LINE + b"\n"
    made = origin(value, placed=placement("access", dataset="nginx.access"))
    with_none, with_all_off = (
        process_chunk(value, origin=made, namespace=NAMESPACE, enrichment=by)
        for by in (NO_ENRICHMENT, only())
    )
    assert with_none.pieces == with_all_off.pieces
