"""What the loader reads, and what the pages promise: small, whole, and in three languages alike."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from hairpin import web
from hairpin.web import Asset, load_assets

PHONE_BYTES_MAX = 30_000
LANGUAGES = ("en", "fr", "ar")


@pytest.fixture(scope="module")
def phone() -> dict[str, Asset]:
    return load_assets("phone")


def test_the_phones_page_is_under_30_kb_compressed_with_all_its_languages(
    phone: dict[str, Asset],
) -> None:
    sizes = {path: len(asset.gzip) for path, asset in phone.items()}
    assert sum(sizes.values()) < PHONE_BYTES_MAX, sizes


def test_an_asset_is_the_file_as_it_is(phone: dict[str, Asset]) -> None:
    folder = Path(web.__file__).parent
    page = phone["/"]
    assert page.body == (folder / "phone" / "phone.html").read_bytes()
    assert page.path == "/"
    assert page.content_type == "text/html; charset=utf-8"
    assert phone["/shared/tokens.css"].body == (folder / "shared" / "tokens.css").read_bytes()
    assert all(gzip.decompress(asset.gzip) == asset.body for asset in phone.values())


def test_an_etag_tells_contents_apart_and_stays(phone: dict[str, Asset]) -> None:
    again = load_assets("phone")
    assert again == phone
    assert len({asset.etag for asset in phone.values()}) == len(phone)
    assert all(re.fullmatch(r'W/"[0-9a-f]{16}"', asset.etag) for asset in phone.values())


def test_a_page_is_found_by_its_name_without_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stage/stage.html", "stage/wall.html", "stage/map/tiles.js", "shared/a.css"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    (tmp_path / "stage" / ".hidden").write_text("x")
    monkeypatch.setattr(web, "_ROOT", tmp_path)
    assert set(load_assets("stage")) == {"/", "/wall", "/map/tiles.js", "/shared/a.css"}


def test_a_file_of_an_unknown_kind_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "notes.txt").write_text("x")
    monkeypatch.setattr(web, "_ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"notes\.txt: found the ending '\.txt'; allowed: \.css"):
        load_assets("phone")


def test_a_missing_folder_is_named_with_those_that_are_there() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such folder of pages.*phone"):
        load_assets("nowhere")


def test_everything_that_a_page_refers_to_is_there(phone: dict[str, Asset]) -> None:
    missing = {
        (path, reference)
        for path, asset in phone.items()
        for reference in references(asset)
        if reference not in phone
    }
    assert not missing


def test_nothing_is_shipped_that_no_page_loads(phone: dict[str, Asset]) -> None:
    reached: set[str] = set()
    ahead = {
        "/",
        *(f"/{language}.js" for language in LANGUAGES),
    }  # languages are chosen at run time
    while ahead:
        path = ahead.pop()
        reached.add(path)
        ahead |= references(phone[path]) - reached
    assert reached == set(phone)


def test_nothing_stands_inline_that_the_content_security_policy_forbids(
    phone: dict[str, Asset],
) -> None:
    page = phone["/"].body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


def test_all_languages_say_the_same_things_and_nothing_in_vain(phone: dict[str, Asset]) -> None:
    keys = {
        language: set(re.findall(r"^  (\w+):", phone[f"/{language}.js"].body.decode(), re.M))
        for language in LANGUAGES
    }
    scripts = b"".join(
        asset.body for path, asset in phone.items() if path[1:-3] not in LANGUAGES
    ).decode()
    assert keys["fr"] == keys["en"]
    assert keys["ar"] == keys["en"]
    assert keys["en"] == set(re.findall(r"\bwords\.(\w+)", scripts))


def references(asset: Asset) -> set[str]:
    """Paths of the same server that this asset names: links, scripts, imports."""
    text = asset.body.decode()
    named = re.findall(r"""(?:href|src)="(/[^"#]+)|from "([./][^"]+)\"""", text)
    paths = {first or second for first, second in named}
    return {"/" + path.removeprefix("./").removeprefix("/") for path in paths}
