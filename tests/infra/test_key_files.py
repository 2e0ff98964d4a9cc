"""Secrets and certificates in files: taken as they are now, and never a half-written one."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tailrace.key_files import (
    SETTLED_MS,
    KeyFileUnread,
    SecretFile,
    Stamp,
    Unusable,
    is_settled,
    one_secret,
)
from tailrace.tls import LiveContext, TlsFiles
from tests.support.certificates import Authority


def secret_file(path: Path) -> SecretFile:
    return SecretFile(path, service="Kafka", address="b:9092")


def test_e11_k7_a_secret_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("first\n")
    secret = secret_file(path)
    assert secret.read() == "first"

    path.write_text("second")

    assert secret.read() == "second"


def test_e11_a_secret_is_followed_where_a_link_is_turned(tmp_path: Path) -> None:
    """As in containers, where a folder of secrets is replaced by turning one link."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(f"key-{name}")
    link = tmp_path / "current"
    link.symlink_to("old")
    secret = secret_file(link / "key")
    assert secret.read() == "key-old"

    link.unlink()
    link.symlink_to("new")

    assert secret.read() == "key-new"


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"one\ntwo\n", b"\xff\xfe", b"a\x00b", b"x" * 70_000]
)
def test_e11_k7_a_file_that_is_being_replaced_leaves_the_last_secret(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "password"
    path.write_text("good")
    secret = secret_file(path)
    assert secret.read() == "good"

    path.write_bytes(content)
    assert secret.read() == "good"
    path.unlink()
    assert secret.read() == "good"
    path.write_text("better")

    assert secret.read() == "better"


def test_e11_k7_a_file_that_was_never_good_is_named_and_its_content_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "password"
    with pytest.raises(KeyFileUnread, match=f"{path}.*No such file"):
        secret_file(path).read()
    path.write_text("canary\ncanary")

    with pytest.raises(KeyFileUnread, match="more than one line") as raised:
        secret_file(path).read()

    assert "canary" not in str(raised.value)
    assert raised.value.remedy


def test_a_secret_may_end_its_line_and_may_hold_spaces() -> None:
    assert one_secret(b" a b \r\n") == " a b "
    with pytest.raises(Unusable, match="empty"):
        one_secret(b"\r\n")


def test_e11_k7_a_stamp_is_trusted_only_where_a_later_change_must_show_in_it() -> None:
    stamp = Stamp(
        inode=1, size_bytes=5, modified_ns=0, changed_ns=1_000_000 * 1_000_000
    )
    assert not is_settled(stamp, now_ms=1_000_000)
    assert not is_settled(stamp, now_ms=1_000_000 + SETTLED_MS - 1)
    assert is_settled(stamp, now_ms=1_000_000 + SETTLED_MS)


def tls_files(folder: Path, *, own: bool = False) -> TlsFiles:
    return TlsFiles(
        service="Kafka",
        address="b:9092",
        ca_file=folder / "ca.pem",
        certificate_file=folder / "own.crt" if own else None,
        key_file=folder / "own.key" if own else None,
    )


def test_e11_a_new_authority_is_trusted_and_the_old_one_is_not(tmp_path: Path) -> None:
    first, second = Authority("first"), Authority("second")
    (tmp_path / "ca.pem").write_bytes(first.certificate)
    context = LiveContext(tls_files(tmp_path))
    assert subjects(context) == ["first"]

    (tmp_path / "ca.pem").write_bytes(second.certificate)
    assert subjects(context) == ["second"]

    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIF")
    assert subjects(context) == ["second"]


def subjects(context: LiveContext) -> list[str]:
    found: list[str] = []
    for authority in context.present().get_ca_certs():
        subject = cast("dict[str, tuple[tuple[tuple[str, str], ...], ...]]", authority)
        found += [pair[0][1] for pair in subject["subject"]]
    return found


def test_k7_a_key_and_certificate_that_do_not_fit_yet_leave_the_last_pair(
    tmp_path: Path,
) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    authority.signs("one").write(tmp_path, "own")
    context = LiveContext(tls_files(tmp_path, own=True))
    before = context.present()
    new = authority.signs("one")

    (tmp_path / "own.crt").write_bytes(new.certificate)
    assert context.present() is before
    (tmp_path / "own.key").write_bytes(new.key)

    assert context.present() is not before


def test_k7_certificates_that_were_never_good_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileUnread, match=r"ca\.pem"):
        LiveContext(tls_files(tmp_path)).present()
