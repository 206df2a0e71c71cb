"""The links of a page and of its header: those that a browser sees, and nothing that only looks like one."""

from __future__ import annotations

import pytest

from providers.formats.html_links import attributes, in_header, in_page

HERE = "https://a.example/~ada/"


def me(page: str) -> list[str]:
    return [link.url for link in in_page(page, HERE) if "me" in link.relations]


def headed(header: str) -> list[str]:
    return [link.url for link in in_header(header, HERE) if "me" in link.relations]


@pytest.mark.parametrize(
    ("page", "url"),
    [
        ('<A REL="ME" HREF="HTTPS://B.EXAMPLE:443/x">', "https://b.example/x"),
        ("<a rel=me href=../bob>", "https://a.example/bob"),
        ('<a href="//b.example/" rel="nofollow&#32;me\tnoopener">', "https://b.example/"),
        ('<a rel = "me"\n href =\n "https://b.example/" >', "https://b.example/"),
        ("<a rel='me' href='https://b.example/'/>", "https://b.example/"),
        ('<link rel="me" href="https://b.example/">', "https://b.example/"),
        ('<map><area rel="me" href="https://b.example/"></map>', "https://b.example/"),
        ('<base href="https://c.example/d/"><a rel=me href=e>', "https://c.example/d/e"),
        ('<a rel=me href="https://b.example/?a=1&copy=2&amp;b=3">', "https://b.example/?a=1&copy=2&b=3"),
        ('<a title="' + "long " * 1_000 + '" rel=me href=https://b.example/>', "https://b.example/"),
        ("<iframe src=x></iframe><a rel=me href=https://b.example/>", "https://b.example/"),
        ("<!-- x --><a rel=me href=https://b.example/>", "https://b.example/"),
    ],
)
def test_a_link_is_found_however_it_is_written(page: str, url: str) -> None:
    assert me(page) == [url]


LINK = '<a rel="me" href="https://b.example/">b</a>'


@pytest.mark.parametrize(
    "page",
    [
        f"<!-- {LINK} -->",
        f"<script>document.write('{LINK}')</script>",
        *(
            f"<{name}>{LINK}</{name}>"
            for name in ("template", "textarea", "title", "style", "xmp", "iframe", "noembed", "noframes")
        ),
        f"<plaintext>{LINK}",
        '<a data-rel="me" href="https://b.example/">',
        '<a data_rel="me" href="https://b.example/">',
        '<a :rel="me" href="https://b.example/">',
        '<a data-1rel=me href="https://b.example/">',
        '<a rel="me" data_href="https://b.example/">',
        '<a rel="nofollow" rel="me" href="https://b.example/">',
        '<a title="' + "y" * 3_000 + ' rel=me x=" href=https://b.example/>',
        '<a title=" rel=me " href=https://b.example/>',
        '<a rel="me-too" href="https://b.example/">',
        '<a rel="me">',
        '<p rel="me" href="https://b.example/">',
    ],
)
def test_what_only_looks_like_a_link_is_none(page: str) -> None:
    assert me(page) == []


@pytest.mark.parametrize(
    ("header", "urls"),
    [
        ('<https://b.example/>; rel="me"', ["https://b.example/"]),
        ('</style.css>; rel=stylesheet, <../bob>; title="x, y; rel=no"; rel="nofollow ME"', ["https://a.example/bob"]),
        ("<https://b.example/> ; REL = me ,<https://c.example/>;rel=me", ["https://b.example/", "https://c.example/"]),
        ('<https://b.example/>; rel=me; anchor="https://a.example/~ada/"', ["https://b.example/"]),
        ('<https://b.example/>; rel=me; anchor="https://c.example/"', []),
        ('<https://b.example/>; rel=me; anchor="#about"', []),
        ('<https://c.example/>; rel=next; title="<https://b.example/>; rel=me"', []),
        ('<https://b.example/>; title="a\\"; rel=me; x=\\""; rel=next', []),
        ("<https://b.example/>; rel=next; rel=me", []),
        ("https://b.example/; rel=me", []),
        ("<https://b.example/", []),
        ("", []),
    ],
)
def test_a_header_names_the_links_of_its_own_page(header: str, urls: list[str]) -> None:
    assert headed(header) == urls


def test_references_in_attributes_are_what_a_browser_makes_of_them() -> None:
    said = attributes(' a="&lt;&#65;&#x42;&copy; &copy &copy=1 &copying &notit; &nothing; &" b=&amp;c')
    assert said == {"a": "<AB© © &copy=1 &copying &notit; &nothing; &", "b": "&c"}


@pytest.mark.parametrize("part", ['a="', "a='", "a ", "= ", "&", "&a", '"', "<a rel=me href=", "<!--", "<iframe>"])
def test_no_page_takes_long_to_read(part: str) -> None:
    assert len(me(part * (400_000 // len(part)))) <= 5_000
    assert len(headed("<a>;x=" + part * 5_000)) <= 1
