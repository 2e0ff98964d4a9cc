"""What enrichment adds has the names and types of ECS, and is known to the index."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.index_templates import event_types
from tailrace_stream.enrich.origins import NAMES
from tests.stream.builders import ACCESS_LINE
from tests.stream.enrich.builders import enriched, only, write_database
from tests.stream.enrich.test_addresses import CITY, NETWORK

# As the Elastic Common Schema 8.17 publishes them (generated/csv/fields.csv).
PUBLISHED = {
    "source.geo.country_iso_code": "keyword",
    "source.geo.country_name": "keyword",
    "source.geo.region_name": "keyword",
    "source.geo.city_name": "keyword",
    "source.geo.location": "geo_point",
    "source.as.number": "long",
    "source.as.organization.name": "keyword",
    "user_agent.name": "keyword",
    "user_agent.version": "keyword",
    "user_agent.os.name": "keyword",
    "user_agent.os.version": "keyword",
    "user_agent.device.name": "keyword",
    "trace.id": "keyword",
    "span.id": "keyword",
    "http.request.id": "keyword",
    "event.severity": "long",
    "log.level": "keyword",
    "host.id": "keyword",
}


def test_every_field_that_is_added_is_published_and_known_to_the_index(
    tmp_path: Path,
) -> None:
    path = write_database(
        tmp_path / "all.mmdb", {"89.160.20.0/24": {**CITY, **NETWORK}}
    )
    by = only(
        geo=True,
        geo_databases=[path],
        user_agent=True,
        trace_ids=True,
        severity=True,
    )
    line = ACCESS_LINE.replace(b"203.0.113.7", b"89.160.20.112").replace(
        b"(X11; Linux)", b"(iPhone; CPU iPhone OS 18_5 like Mac OS X) trace_id=12345678"
    )
    plain = enriched(line, by=only(), parser="access")[0]
    added = enriched(line, by=by, parser="access")[0].keys() - plain.keys()
    assert added >= {"source.geo.location", "source.as.number", "user_agent.os.version"}
    assert added <= PUBLISHED.keys()


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_index_has_it_by_its_published_type(name: str) -> None:
    assert event_types()[name] == PUBLISHED[name]


@pytest.mark.parametrize("side", ["client", "destination", "server"])
def test_every_side_has_the_same_fields(side: str) -> None:
    for name, kind in PUBLISHED.items():
        if name.startswith("source."):
            assert event_types()[name.replace("source.", f"{side}.")] == kind


@pytest.mark.parametrize("name", sorted(NAMES))
def test_field_of_an_origin_is_a_keyword_of_the_index(name: str) -> None:
    assert event_types()[name] == "keyword"
