"""Who is named at one side of a connection: an address, a host's name, or neither."""

from __future__ import annotations

import ipaddress

import polars as pl

_IPV4 = (
    r"^(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    r"(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}$"
)
PRIVATE = r"^(?:10\.|127\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|::1$|f[cd])"
_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
# A name has a letter: `999.1.1.1` is no address, and no host's name either.
_HOST_NAME = rf"^(?:{_LABEL}\.)*[0-9A-Za-z_-]*[A-Za-z][0-9A-Za-z_-]{{0,62}}\.?$"


def is_address(texts: pl.Series) -> pl.Series:
    """Tell which texts are IP addresses as Elasticsearch reads them."""
    is_ip = texts.str.contains(_IPV4).fill_null(value=False)
    other = texts.filter(~is_ip & texts.is_not_null()).unique()
    six = [text for text in other if ":" in text and _is_ipv6(text)]
    return is_ip | texts.is_in(six).fill_null(value=False) if six else is_ip


def with_address(frame: pl.DataFrame, column: str, *, side: str) -> pl.DataFrame:
    """Turn a text column into `<side>.ip`; where it is none, into `<side>.address`, and
    `<side>.domain` where that is a host's name.
    """
    is_ip = is_address(frame.get_column(column)).alias("_is_ip")
    address = pl.col(column)
    is_said = ~pl.col("_is_ip") & (address != "-") & (address != "")
    made = frame.with_columns(is_ip).with_columns(
        pl.when("_is_ip").then(address).alias(f"{side}.ip"),
        pl.when(is_said).then(address).alias(f"{side}.address"),
        pl.when(is_said & address.str.contains(_HOST_NAME))
        .then(address)
        .alias(f"{side}.domain"),
    )
    return made.drop("_is_ip", column)


def has_both_ends() -> pl.Expr:
    """Tell which lines name both ends of a connection: the others tell of a request alone."""
    return pl.col("source.ip").is_not_null() & pl.col("destination.ip").is_not_null()


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text
