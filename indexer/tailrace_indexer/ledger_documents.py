"""What a record of the ledger looks like in Elasticsearch: one document a key. Pure.

It is written by `index` with the record's revision as its version, so that the greatest
revision stays, whatever order records come in and however often; an older one is answered
with a 409, and done. A tombstone takes no document away: that is a deletion, for which the
indexer has no right, so retention's leader does it. Nor is it written down as a document,
for it has no revision, and might win over a newer record that is read later.
"""

from __future__ import annotations

import orjson

from tailrace.ledger import LedgerRecord, ledger_key
from tailrace.ledger_document import ledger_document


def ledger_lines(record: LedgerRecord, *, namespace: str) -> bytes:
    """Return the bulk lines of a record's document."""
    action = {
        "index": {
            "_index": f"{namespace}-ledger",
            "_id": ledger_key(record).decode(),
            "version": record.revision,
            "version_type": "external_gte",
        }
    }
    document = ledger_document(record)
    return b"%b\n%b\n" % (orjson.dumps(action), orjson.dumps(document))
