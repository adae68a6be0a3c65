"""The address of a store: a folder, or a prefix in a bucket of an object store.

Addresses::

    /data/store                                              a folder
    file:///data/store                                       the same
    s3://bucket/prefix?region=eu-west-1                      Amazon S3
    s3://bucket/prefix?endpoint_override=127.0.0.1:9000&scheme=http     another server that speaks S3
    gs://bucket/prefix                                       Google Cloud Storage

Credentials are never part of an address: keys come from the environment (``AWS_ACCESS_KEY_ID``,
``GOOGLE_APPLICATION_CREDENTIALS`` and so on), from the provider's own files or from the machine's role.
An address with a key in it is refused, and no message repeats it.

A session writes to a remote store through a *spool*: a separate local store, with the journals and the
parts that are not uploaded yet. See :mod:`vectra_bot.store.remote.upload`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import attrs

from vectra_bot.errors import InputError
from vectra_bot.store.frozen_time import import_if_frozen

REQUEST_TIMEOUT_S: Final = 15
"""Timeout of a request that transfers nothing, in seconds."""

CONNECT_TIMEOUT_S: Final = 5

# The first pyarrow that can write a small object in one request.
_ONE_REQUEST: Final = 21

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_ENDPOINT = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?")
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_OPTIONS: Final = ("anonymous", "endpoint_override", "region", "scheme")
_SECRET_WORDS: Final = ("key", "secret", "token", "password", "credential", "signature", "user")
_FORMS: Final = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, file:///PATH or a path"


@attrs.frozen
class LocalStore:
    """A store in a folder.

    Attributes:
        path: the folder, absolute; it need not exist.

    Raises:
        InputError: the path is not valid UTF-8.
    """

    path: Path

    def __attrs_post_init__(self) -> None:
        text = str(self.path)
        if text.encode("utf-8", "replace") != os.fsencode(text):
            raise InputError(f"the store's path {text!r} is not valid UTF-8: give another --store")


@attrs.frozen
class RemoteStore:
    """A store under a prefix of a bucket; contains no secret.

    Attributes:
        service: ``s3`` or ``gs``.
        bucket: the bucket's name.
        prefix: common prefix of the object names, without slashes at its ends; may be empty.
        endpoint: host and port of the server, "" for the provider's own.
        transport: ``https`` or ``http``.
        region: the bucket's region, "" to use the environment's.
        anonymous: use no credentials.
    """

    service: str
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    transport: str = "https"
    region: str = ""
    anonymous: bool = False

    @property
    def url(self) -> str:
        """The address, in canonical form."""
        options = {
            "endpoint_override": self.endpoint,
            "scheme": "" if self.transport == "https" else self.transport,
            "region": self.region,
            "anonymous": "true" if self.anonymous else "",
        }
        given = urlencode({name: value for name, value in options.items() if value}, safe=":[]")
        return f"{self.service}://{self.root}{'?' if given else ''}{given}"

    @property
    def root(self) -> str:
        """Bucket and prefix."""
        return f"{self.bucket}/{self.prefix}" if self.prefix else self.bucket

    @property
    def spool(self) -> Path:
        """The local store that sessions of this remote store write to.

        It is in ``$VECTRA_SPOOL``, else in ``~/.local/state/vectra-bot/spool``, under a name derived
        from the bucket and prefix: different spellings of one address share it.
        """
        place = f"{self.service}://{self.endpoint}/{self.root}"
        digest = hashlib.sha256(place.encode()).hexdigest()[:16]
        base = os.environ.get("VECTRA_SPOOL") or "~/.local/state/vectra-bot/spool"
        return Path(base).expanduser().absolute() / f"{self.bucket}-{digest}"

    def filesystem(self, *, attempts: int = 3) -> Any:
        """Return a ``pyarrow.fs`` file system for the bucket; no request is made.

        Args:
            attempts: how often the provider's library sends a failing request (S3).

        Raises:
            InputError: the region is unknown, or pyarrow lacks support for the service.
        """
        return _s3(self, attempts) if self.service == "s3" else _gs(self)


def is_remote(text: str | Path) -> bool:
    """Return whether *text* is an address of an object store."""
    return isinstance(text, str) and text.lower().startswith(("s3://", "gs://"))


def is_address(text: str) -> bool:
    """Return whether *text* is an address, valid or not, and not a path."""
    return _SCHEME.match(text) is not None


def parse_store(text: str | Path) -> LocalStore | RemoteStore:
    """Return the store for an address or a path; every place that takes a store takes it in this form.

    Text that begins with a word and a colon is an address; a folder of such a name is ``./NAME``.

    Raises:
        InputError: it is not the address of a store, or contains a key. The message does not repeat it.
    """
    import_if_frozen()
    if isinstance(text, Path):
        if _SCHEME.fullmatch(text.parts[0] if text.parts else ""):
            raise InputError(
                f"{text.parts[0]} in a Path is not an address, because a Path drops slashes: give it as text"
            )
        return LocalStore(text.expanduser().absolute())
    if not text.strip():
        raise InputError(
            f"store was {text!r}: give a folder, or an address like s3://BUCKET/PREFIX"
        )
    found = _SCHEME.match(text)
    if found is None:
        return LocalStore(Path(text).expanduser().absolute())
    service = found[1].lower()
    if service == "file":
        return _local(text)
    if service not in ("s3", "gs") or not text[found.end() :].startswith("//"):
        raise InputError(
            f"{service}: is not the address of a store: give {_FORMS}; a folder of such a name is "
            f"./{service}:..."
        )
    if "@" in text:
        # A secret may contain slashes, so any @ may end one.
        raise _has_secret(service)
    try:
        parts = urlsplit(text)
        options = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError:
        raise InputError(f"the {service}:// address is invalid: give {_FORMS}") from None
    if any(word in name.lower() for name in options for word in _SECRET_WORDS):
        raise _has_secret(service)
    if parts.fragment or not set(options) <= set(_OPTIONS):
        raise InputError(
            f"the {service}:// address has an unknown option: known are {', '.join(_OPTIONS)}"
        )
    if not _BUCKET.fullmatch(parts.netloc):
        raise InputError(
            f"the {service}:// address names no bucket: give {service}://BUCKET/PREFIX; "
            "another server is named by ?endpoint_override=HOST:PORT"
        )
    return RemoteStore(
        service, parts.netloc, _prefix(service, parts.path), **_settings(service, options)
    )


def local_folder(text: str | Path, what: str = "store") -> Path:
    """Return the folder of a store that must be on a disk; it need not exist.

    Args:
        text: its path or address.
        what: its name in messages.

    Raises:
        InputError: it is in an object store, or the address is invalid.
    """
    store = parse_store(text)
    if isinstance(store, RemoteStore):
        raise InputError(
            f"{what} was {store.url!r}, which is not a folder: this works on a disk; give a path"
        )
    return store.path


def _local(text: str) -> LocalStore:
    parts = urlsplit(text)
    whole = parts.netloc in ("", "localhost") and not (parts.query or parts.fragment)
    if not (whole and parts.path.startswith("/")):
        raise InputError("a file:// address must be file:///PATH, without host and options")
    return LocalStore(Path(unquote(parts.path)))


def _has_secret(service: str) -> InputError:
    return InputError(
        f"the {service}:// address contains a user, key or password: remove it and use the environment or "
        "the provider's own files (it is not repeated here)"
    )


def _prefix(service: str, path: str) -> str:
    names = [name for name in unquote(path).split("/") if name]
    if any(name in (".", "..") or not name.isprintable() for name in names):
        raise InputError(f"the prefix of the {service}:// address contains '..': remove it")
    return "/".join(names)


def _settings(service: str, options: dict[str, str]) -> dict[str, Any]:
    endpoint, region = options.get("endpoint_override", ""), options.get("region", "")
    transport, anonymous = options.get("scheme", "https"), options.get("anonymous", "false")
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        raise InputError(f"endpoint_override of the {service}:// address must be HOST or HOST:PORT")
    if region and not _REGION.fullmatch(region):
        raise InputError(f"region of the {service}:// address must be a name like eu-west-1")
    if transport not in ("http", "https"):
        raise InputError(f"scheme of the {service}:// address must be http or https")
    if anonymous not in ("true", "false"):
        raise InputError(f"anonymous of the {service}:// address must be true or false")
    return {
        "endpoint": endpoint,
        "region": region,
        "transport": transport,
        "anonymous": anonymous == "true",
    }


# -------------------------------------------------------------------------------------- file systems


def _s3(store: RemoteStore, attempts: int) -> Any:
    import pyarrow as pa
    from pyarrow import fs

    if not hasattr(fs, "S3FileSystem"):
        raise InputError(
            "this pyarrow was built without S3: install pyarrow from the package index"
        )
    region = _region(store)
    with _known_region(region):
        return fs.S3FileSystem(
            region=region,
            scheme=store.transport,
            endpoint_override=store.endpoint or None,
            anonymous=store.anonymous,
            request_timeout=REQUEST_TIMEOUT_S,
            connect_timeout=CONNECT_TIMEOUT_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=attempts),
            **_whole_objects(pa.__version__),
        )


def _whole_objects(version: str) -> dict[str, bool]:
    """Return options that upload a small object in one request, so that a killed process leaves no part."""
    return {"allow_delayed_open": True} if int(version.partition(".")[0]) >= _ONE_REQUEST else {}


def _gs(store: RemoteStore) -> Any:
    from pyarrow import fs

    if not hasattr(fs, "GcsFileSystem"):
        raise InputError(
            "this pyarrow was built without gs://: install pyarrow from the package index"
        )
    return fs.GcsFileSystem(
        anonymous=store.anonymous,
        scheme=store.transport,
        endpoint_override=store.endpoint or None,
        retry_time_limit=timedelta(seconds=REQUEST_TIMEOUT_S),
    )


def _region(store: RemoteStore) -> str:
    named = store.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if named:
        return named
    if store.endpoint or any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ):
        return "us-east-1"  # servers other than Amazon's accept any name
    raise InputError(
        f"the region of bucket {store.bucket!r} is unknown: add ?region=NAME to the address or set "
        "AWS_REGION"
    )


@contextlib.contextmanager
def _known_region(region: str) -> Iterator[None]:
    """Set the region in the environment for a moment.

    Otherwise the provider's library queries the network for it during construction, although the region
    is given, and outside a cloud this waits for a timeout.
    """
    if os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        yield
        return
    os.environ["AWS_DEFAULT_REGION"] = region
    try:
        yield
    finally:
        os.environ.pop("AWS_DEFAULT_REGION", None)


__all__ = ["LocalStore", "RemoteStore", "is_address", "is_remote", "local_folder", "parse_store"]
