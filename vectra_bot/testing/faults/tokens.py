"""Tokens for tests: with the claims of a login token, and without a signature that anybody would accept."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec


def unsigned_token(subject: str, expires_s: int, *, salt: str = "") -> str:
    """Return a JSON web token of *subject* that ends at *expires_s*, seconds since the epoch.

    Its algorithm is ``none``: it proves nothing, and a venue refuses it. A client that reads ``sub`` and
    ``exp`` of its token reads these. *salt* makes tokens of one subject differ.
    """
    head = {"alg": "none", "typ": "JWT"}
    claims = {"sub": subject, "exp": expires_s, "salt": salt}
    return f"{_part(head)}.{_part(claims)}.AA"


def _part(claims: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(claims)).rstrip(b"=").decode()
