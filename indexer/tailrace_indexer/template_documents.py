"""What a template's record looks like in Elasticsearch: one document a key. Pure.

It is written by `index` with the record's revision as its version, so that the greatest
stays, whatever order records come in and however often; an older one is answered with a 409,
and done. A template that several partitions have has as many documents, and whoever asks
takes the earliest `template.first_seen`, the latest `template.last_seen` and the sum.
"""

from __future__ import annotations

import orjson

from tailrace.template_records import TemplateRecord, template_key


def template_lines(record: TemplateRecord, *, namespace: str) -> bytes:
    """Return the bulk lines of a record's document."""
    action = {
        "index": {
            "_index": f"{namespace}-templates",
            "_id": template_key(record).decode(),
            "version": record.revision,
            "version_type": "external_gte",
        }
    }
    document = {
        "@timestamp": record.last_seen_ms,
        "template.id": record.template_id,
        "template.text": record.text,
        "template.count": record.count,
        "template.first_seen": record.first_seen_ms,
        "template.last_seen": record.last_seen_ms,
        "event.dataset": record.datasets,
    }
    return b"%b\n%b\n" % (orjson.dumps(action), orjson.dumps(document))
