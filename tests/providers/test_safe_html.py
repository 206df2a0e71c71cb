"""HTML of strangers looks like what they sent and does nothing: it runs, fetches, submits and hides nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.formats.safe_html import sanitised

PART = "https://kith.example.org/files/token"


def shown(source: str, *, remote: str | None = None) -> str:
    return sanitised(source, part=lambda cid: PART if cid == "logo@example.org" else None, remote=lambda url: remote)


@pytest.mark.parametrize(
    ("source", "safe"),
    [
        ("<p>Hello <b>Ada</b></p>", "<p>Hello <b>Ada</b></p>"),
        ("<script>alert(1)</script>x", "x"),
        ("<SCRIPT SRC=//evil.example>alert(1)</SCRIPT >x", "x"),
        ("<style>@import 'https://evil.example'</style>x", "x"),
        ("<p onclick=alert(1) onmouseover='x'>a</p>", "<p>a</p>"),
        ("<svg onload=alert(1)><script>x</script></svg>y", "y"),
        ("<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>y", "y"),
        ("<form action=https://evil.example><input name=p value=x><button>go</button></form>", "go"),
        ("<iframe src=https://evil.example></iframe><object data=x>y</object><embed src=x>z", "z"),
        ("<meta http-equiv=refresh content='0;url=https://evil.example'><base href=//evil.example><link rel=stylesheet href=x>y", "y"),
        ("<a href='java&#115;cript:alert(1)'>a</a>", '<a target="_blank" rel="noopener noreferrer nofollow">a</a>'),
        ("<a href=' JaVaScRiPt:alert(1)'>a</a>", '<a target="_blank" rel="noopener noreferrer nofollow">a</a>'),
        ("<a href=data:text/html,x>a</a>", '<a target="_blank" rel="noopener noreferrer nofollow">a</a>'),
        ("<a href=/logout>a</a>", '<a target="_blank" rel="noopener noreferrer nofollow">a</a>'),
        ("<a href=https://example.org/?a=1&amp;b>a</a>",
         '<a href="https://example.org/?a=1&amp;b" target="_blank" rel="noopener noreferrer nofollow">a</a>'),
        ("<img src=data:image/svg+xml,x alt=a>", '<img alt="a">'),
        ("<img src=https://evil.example/a.png alt=a>", '<img alt="a">'),
        ("<img src='//evil.example/a.png' srcset='https://evil.example/b 2x' alt=a>", '<img alt="a">'),
        ("<img src='cid:logo%40example.org' width=10>", f'<img src="{PART}" width="10">'),
        ("<img src=cid:other>", "<img>"),
        ("<p style='color: red; background: url(https://evil.example/x)'>a</p>", '<p style="color: red">a</p>'),
        ("<p style='background-image: image-set(\"https://evil.example/x\" 1x)'>a</p>", "<p>a</p>"),
        ("<p style='background: u\\72l(https://evil.example)'>a</p>", "<p>a</p>"),
        ("<p style='width: expression(alert(1)); position: fixed; top: 0; color: rgb(1, 2, 3)'>a</p>", '<p style="color: rgb(1, 2, 3)">a</p>'),
        ("<p style='background: &#117;rl(//evil.example)'>a</p>", "<p>a</p>"),
        ("<div id=login class=x name=y>a</div>", "<div>a</div>"),
        ("<table background=https://evil.example><tr><td>a</td></tr></table>", "<table><tbody><tr><td>a</td></tr></tbody></table>"),
        ("<!-- [if mso]><script>x</script><![endif]-->a", "a"),
        ("<video src=x poster=y></video><audio src=x></audio><source src=x>a", "a"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("1 < 2 <b>x", "1 &lt; 2 <b>x</b>"),
    ],
)  # fmt: skip
def test_what_could_do_something_goes_and_what_is_to_be_read_stays(source: str, safe: str) -> None:
    assert shown(source) == safe


@pytest.mark.parametrize(
    "pixel",
    ["width=1 height=1", "width='1px' height=\"0\"", "style='width:1px;height:1px'", "style='display: none'", "width=&#49; height=1",
     "style='width:0.5px; height:1px!important'"],
)  # fmt: skip
def test_a_picture_that_nobody_can_see_is_left_out_even_when_foreign_pictures_are_wanted(pixel: str) -> None:
    assert shown(f"a<img src=https://evil.example/open.gif {pixel}>", remote=PART) == "a"
    assert (
        shown("<img src=https://example.org/a.png width=10 height=10>", remote=PART)
        == f'<img src="{PART}" width="10" height="10">'
    )


def test_an_element_that_is_not_closed_ends_with_what_it_stands_in() -> None:
    assert shown("<table><tr><td><b>a<td>b</table>c") == "<table><tbody><tr><td><b>a</b></td><td>b</td></tr></tbody></table>c"
    assert shown("<div><div>a</div></div></div></td>b") == "<div><div>a</div></div>b"


def test_what_is_shown_stays_the_same_when_it_is_sanitised_again() -> None:
    source = "<div style='color:red'><p>a<ul><li>b<li>c</ul><blockquote>d</blockquote><img src=cid:logo@example.org>"
    once = sanitised(source, part=lambda cid: None, remote=lambda url: None)
    assert sanitised(once, part=lambda cid: None, remote=lambda url: None) == once


@given(st.lists(st.sampled_from(
    ["<", ">", "</", "<p ", "<a href=", "'", '"', "javascript:x", "<script>", "</script>", "<style>", "<svg>", "<math>", "<!--", "-->",
     "onerror=x", " ", "=", "<img src=", "https://evil.example", "<table>", "<td>", "x", "<title>", "<noscript>", "</p>", "&lt;", "/>",
     "style='background:url(x)'", "<template>", "<select>", "<![CDATA[", "<xmp>", "<plaintext>"])))  # fmt: skip
def test_no_mixture_of_traps_becomes_more_than_text(pieces: list[str]) -> None:
    found = shown("".join(pieces))
    tags = re.findall(r"<[^>]*>", found)
    assert all(re.fullmatch(r"</?(?:p|a|img|table|tbody|tr|td)(?: [a-z]+=\"[^\"<>]*\")*>", tag) for tag in tags)
    assert not any(re.search(r" on|javascript:|src=|url\(", tag) for tag in tags)


@pytest.mark.parametrize(
    "piece",
    ["<div>", "<b>", "<a>", "<p><b title=%d>", "<font color=%d>", "<table>a", "<svg>", "<li>", "<", "<p title=\"", "<p a='", "&amp;", "</b>",
     "<p style='color:red;'>", "<!--", "<template>", "<select>", "<td>"],
)  # fmt: skip
def test_a_megabyte_of_any_piece_is_shown_without_keeping_anybody_waiting(piece: str) -> None:
    count = 1_000_000 // len(piece)
    shown("".join(piece % n for n in range(count)) if "%d" in piece else piece * count)


@pytest.mark.parametrize("text", ["a&amp;b", "<b>x</b>&lt;", "&amp;&amp;", "&lt;p&gt; "])
def test_thousands_of_character_references_are_shown_as_they_are(text: str) -> None:
    assert shown(text * 3_000) == text * 3_000
