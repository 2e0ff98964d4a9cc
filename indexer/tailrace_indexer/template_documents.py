"""What records of templates and their aliases are in Elasticsearch: a document a key. Pure.

It is written by `index` with the record's revision as its version, so that the greatest
stays, whatever order records come in and however often; an older one is answered with a 409,
and done. A template that several partitions have has as many documents, and whoever asks
takes the earliest `template.first_seen`, the latest `template.last_seen` and the sum. An
alias is a document of the same index that has `template.alias_of`, and counts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from tailrace.template_alias_index import templates_index
from tailrace.template_aliases import TemplateAlias, alias_key
from tailrace.template_records import TemplateRecord, template_key


def template_lines(record: TemplateRecord, *, namespace: str) -> bytes:
    """Return the bulk lines of a record's document."""
    document = {
        "@timestamp": record.last_seen_ms,
        "template.id": record.template_id,
        "template.text": record.text,
        "template.count": record.count,
        "template.first_seen": record.first_seen_ms,
        "template.last_seen": record.last_seen_ms,
        "event.dataset": record.datasets,
    }
    return _lines(
        document,
        key=template_key(record),
        revision=record.revision,
        namespace=namespace,
    )


def alias_lines(alias: TemplateAlias, *, namespace: str) -> bytes:
    """Return the bulk lines of an alias's document."""
    document = {
        "@timestamp": alias.revision,
        "template.id": alias.template_id,
        "template.alias_of": alias.group_id,
        "template.text": alias.text,
    }
    return _lines(
        document,
        key=alias_key(alias),
        revision=alias.revision,
        namespace=namespace,
    )


def _lines(
    document: Mapping[str, object], *, key: bytes, revision: int, namespace: str
) -> bytes:
    action = {
        "index": {
            "_index": templates_index(namespace),
            "_id": key.decode(),
            "version": revision,
            "version_type": "external_gte",
        }
    }
    return b"%b\n%b\n" % (orjson.dumps(action), orjson.dumps(document))
