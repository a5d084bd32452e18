"""Where a request comes from: a reverse proxy is believed only when its own address is on the list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from fastapi import Request


@dataclass(frozen=True)
class Origin:
    """``address`` of the person's machine, ``secure`` when it came by HTTPS, ``proxied`` when a believed proxy sent it."""

    address: str
    secure: bool
    proxied: bool


@dataclass(frozen=True)
class Proxies:
    """Addresses of reverse proxies whose headers are believed."""

    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def at(cls, addresses: Iterable[str]) -> Proxies:
        """From addresses or networks; ValueError when one is neither."""
        return cls(tuple(ip_network(address) for address in addresses))

    def origin_of(self, request: Request) -> Origin:
        """Of one request; what anybody could have written into X-Forwarded-... is not looked at."""
        peer = request.client.host if request.client else ""
        secure = request.url.scheme == "https"
        if not self._holds(peer):
            return Origin(peer, secure, proxied=False)
        # The last entry is the one that this proxy wrote.
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        scheme = request.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip()
        return Origin((forwarded or peer)[:64], secure or scheme == "https", proxied=True)

    def _holds(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)
