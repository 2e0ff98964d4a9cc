"""A document's digest: the last field of its source, over all the rest of it.

Elasticsearch returns a stored source byte for byte, so a document that was altered after it
was indexed no longer fits its digest. It guards against mistakes and rot, not against
somebody who computes it anew. The checksum in the `_id` holds the line itself apart from it,
but only in a document that does not say that it has the line otherwise than it was, cut or
redacted (`tailrace.original_size_bytes`): whoever adds that is held to the digest alone.
CRC-32C (RFC 3720) of the document without this field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import crc32c
import orjson

DIGEST_FIELD: Final = "tailrace.digest"
_MARK: Final = f',"{DIGEST_FIELD}":'.encode()
DELIVERED: Final = "dead.delivered_at"
"""Set in a dead letter once its document was found stored, by `tailrace dead retry`."""
FIX: Final = "dead.fix"
"""How its document was mended before that, where it was."""


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


def letter_digest(letter: Mapping[str, object]) -> int:
    """Return the digest of a dead letter's document, whatever marks a retry has set.

    By its values and not by its bytes, in the order of the keys: where a mark is set,
    Elasticsearch writes all of its source anew.
    """
    left_out = {DELIVERED, FIX, DIGEST_FIELD}
    said = {key: value for key, value in letter.items() if key not in left_out}
    return crc32c.crc32c(orjson.dumps(said, option=orjson.OPT_SORT_KEYS))
