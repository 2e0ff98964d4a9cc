"""How a former document says that there is a later version: by a field, and nothing else.

Pure. Its digest is made anew with it, since the document is seen with its mark until the
replay is in force, and an audit compares. One that did not fit its digest before is left
with the one that it has: a mark must not make good what somebody altered.
"""

from __future__ import annotations

import msgspec

from tailrace.dead.fixes import object_bytes
from tailrace.digest import DIGEST_FIELD, with_digest
from tailrace.replay.compare import Version
from tailrace.revised_indices import REVISED_BY


def marked_source(former: Version, *, revision: int) -> bytes:
    """Return a document's source with the mark of a replay; every other byte as it was."""
    fields = dict(former.fields)
    digest = fields.pop(DIGEST_FIELD, None)
    fields[REVISED_BY] = msgspec.Raw(b"%d" % revision)
    if digest is not None and not former.is_unaltered:
        fields[DIGEST_FIELD] = digest
    body = object_bytes(fields)
    return with_digest(body) if former.is_unaltered else body
