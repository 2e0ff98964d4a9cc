"""Which addresses a webhook may reach: those of the world outside, and no other. Pure.

A webhook makes this process, which stands beside Kafka and Elasticsearch, send a request to
where a setting says. Loopback, private networks and the address at which clouds give out
credentials are refused, however they are written, unless a setting names the host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")


class DestinationRefused(ValueError):
    """A webhook leads where none may."""


def choose_address(
    host: str, addresses: Collection[str], *, allowed: Collection[str]
) -> str:
    """Return the address to connect to, of all to which a host's name was resolved.

    Where one of them is inside, the name is refused as a whole: which one is taken would
    be chance.

    Raises:
        DestinationRefused: one lies inside, or there is none.
    """
    if not addresses:
        raise DestinationRefused("its host has no address")
    if host.lower() in {name.lower() for name in allowed}:
        return next(iter(addresses))
    for text in addresses:
        if text not in allowed and not is_outside(text):
            raise DestinationRefused(
                f"its host leads to {text}, which is inside; name the host in"
                " hosts_allowed if that is meant"
            )
    return next(iter(addresses))


def is_outside(text: str) -> bool:
    """Tell whether an address is one of the world outside, also of what it holds."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return all(_is_outside(one) for one in _held_in(address))


def _held_in(address: Address) -> list[Address]:
    """Return an address and those of IPv4 that it stands for."""
    held: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        held += [one for one in (address.ipv4_mapped, address.sixtofour) if one]
        held += address.teredo or ()
        if address in _NAT64 or address in _COMPATIBLE:
            held.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return held


def _is_outside(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address) and address in _SHARED:
        return False
    # What only holds one of IPv4 is judged by that; Python calls some of these reserved.
    if isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped or address in _NAT64
    ):
        return True
    return address.is_global and not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
