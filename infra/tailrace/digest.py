"""A document's digest: the last field of its source, over all the rest of it.

Elasticsearch returns a stored source byte for byte, so a document that was altered after it
was indexed no longer fits its digest. It guards against mistakes and rot, not against
somebody who computes it anew; the checksum in the `_id` holds the line itself apart from it.
CRC-32C (RFC 3720) of the document without this field.
"""

from __future__ import annotations

from typing import Final

import crc32c

DIGEST_FIELD: Final = "tailrace.digest"
_MARK: Final = f',"{DIGEST_FIELD}":'.encode()


def with_digest(document: bytes) -> bytes:
    """Return a JSON object, of one field or more, with its digest as the last field."""
    return b"%b%b%d}" % (document[:-1], _MARK, crc32c.crc32c(document))


def is_unaltered(source: bytes) -> bool:
    """Tell whether a source is, byte for byte, what `with_digest` returned."""
    rest, mark, tail = source.rpartition(_MARK)
    if not mark or not tail.endswith(b"}"):
        return False
    digest = tail[:-1]
    return digest.isdigit() and int(digest) == crc32c.crc32c(rest + b"}")
