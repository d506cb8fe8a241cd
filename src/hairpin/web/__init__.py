"""The pages: html, css, ES modules and svg, read once at start and served from memory.

No build step: what stands in the folders is what a browser gets. An address follows from a file's
place, and nothing else:

    phone/phone.html   /              the page that is named like its folder
    stage/wall.html    /wall          any other page
    phone/poll.js      /poll.js
    shared/tokens.css  /shared/tokens.css
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
MAX_AGE_S = 300
"""One age for all, so that a page and its modules go out of date together."""
SHARED = "shared"

_ROOT = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent. `etag` has its quotes and holds for both encodings as `W/`."""

    path: str
    body: bytes
    gzip: bytes
    etag: str
    content_type: str
    max_age_s: int


def load_assets(folder: str) -> dict[str, Asset]:
    """All files of one folder and of `shared`, by the path of their address.

    Raises FileNotFoundError for a folder that is not there, and ValueError for a file whose
    content type is not in `CONTENT_TYPES`.
    """
    if not (_ROOT / folder).is_dir():
        there = ", ".join(sorted(path.parent.name for path in _ROOT.glob("*/*.html")))
        raise FileNotFoundError(f"{_ROOT / folder}: no such folder of pages; there are: {there}")
    return {
        asset.path: asset
        for name in (folder, SHARED)
        for file in sorted((_ROOT / name).rglob("*"))
        if file.is_file() and not file.name.startswith(".")
        for asset in (_load(file),)
    }


def _load(file: Path) -> Asset:
    content_type = CONTENT_TYPES.get(file.suffix)
    if content_type is None:
        allowed = ", ".join(sorted(CONTENT_TYPES))
        raise ValueError(f"{file}: found the ending {file.suffix!r}; allowed: {allowed}")
    body = file.read_bytes()
    digest = hashlib.blake2b(body, digest_size=8).hexdigest()
    return Asset(
        path=_address(file),
        body=body,
        gzip=gzip.compress(body, compresslevel=9, mtime=0),
        etag=f'W/"{digest}"',
        content_type=content_type,
        max_age_s=MAX_AGE_S,
    )


def _address(file: Path) -> str:
    folder, *rest = file.relative_to(_ROOT).parts
    if folder == SHARED:
        return "/".join(("", SHARED, *rest))
    if file.suffix == ".html":
        rest[-1] = "" if rest == [f"{folder}.html"] else file.stem
    return "/".join(("", *rest))
