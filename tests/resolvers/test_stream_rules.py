"""The rule language of streams: what a rule says, how it is printed, what is wrong with one that says nothing, and what meets it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers import records
from resolvers.streams.documents import document
from resolvers.streams.matcher import Matcher
from resolvers.streams.rules import MAX_DEPTH, MAX_PARTS, MAX_RULE, parse
from resolvers.streams.tokens import BadRule, Circles, RuleError
from resolvers.streams.tree import canonical
from tests.naive_rules import meets
from tests.posts import actor, post

NETWORKS = {"mastodon", "bluesky", "feeds"}


def mistakes(text: str) -> list[RuleError]:
    with pytest.raises(BadRule) as refused:
        parse(text, NETWORKS)
    return refused.value.errors


def matched(rule: str, activity: records.Activity, network: str = "mastodon") -> bool:
    """As the matcher says, which the naive reading has to say too."""
    matcher = Matcher()
    matcher.add("rule", parse(rule, NETWORKS))
    found = matcher.match(document(activity, network)) == ["rule"]
    assert found == meets(parse(rule, NETWORKS), activity, network)
    return found


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("apple   OR iphone\nipad", "apple OR iphone ipad"),  # AND binds tighter, as in PowerTrack
        ("apple AND (iphone ipad)", "apple iphone ipad"),
        ("(a OR b) AND NOT c", "(a OR b) -c"),
        ("a -(b OR c) -d", "a -(b OR c) -d"),
        ("a NOT (b c)", "a -(b c)"),
        ("NOT NOT a", "a"),
        ("-(-a)", "a"),
        ("cats or dogs", 'cats "or" dogs'),  # only capitals are signs
        ('"see you  soon"', '"see you soon"'),
        ('"Toys \\"R\\" Us"', '"Toys \\"R\\" Us"'),
        ("\u201cturned quotes\u201d", '"turned quotes"'),
        ('FROM:"Ada Ray" has:lang LANG:EN-gb', 'from:"Ada Ray" has:language lang:en-gb'),
        ("on:Mastodon url:https://Example.org/blog/ #Kith", "on:mastodon url:https://Example.org/blog/ #Kith"),
        ("coca-cola", "coca-cola"),
        ("（a OR b） ＦＲＯＭ：ada －c", "(a OR b) from:ada -c"),  # as an input method types it
        ("＃kith a−b \u2212c", "#kith a−b -c"),  # a minus that stands right before what it excludes
        ("the OR and OR der", 'the OR "and" OR der'),  # no word is so common in all languages that nobody may ask for it
        ("NOT " * 510 + "a", "a"),
    ],
)
def test_a_rule_is_printed_in_normal_form(typed: str, printed: str) -> None:
    rule = parse(typed, NETWORKS)
    assert canonical(rule) == printed
    assert parse(printed, NETWORKS) == rule


@pytest.mark.parametrize(
    ("typed", "start", "end", "says"),
    [
        ("", 0, 0, "needs at least one"),
        ("a form:ada", 2, 7, "Did you mean from:?"),
        ("contains:ab", 0, 9, "matched whole"),
        ("in-circle: family a", 0, 10, "needs one of your circles"),
        ("https://example.org", 0, 6, "url:"),
        ('a "b c', 2, 6, "never closed"),
        ('from:"Ada', 5, 9, "never closed"),
        ("from: ada", 0, 5, "right behind the colon"),
        ("has:pictures", 0, 12, "does not know pictures"),
        ("has:imags a", 0, 9, "Did you mean images?"),
        ("on:mastodn", 0, 10, "Did you mean mastodon?"),
        ("lang:english!", 0, 13, "language tag"),
        ("url:. a", 0, 5, "needs an address"),
        ("url:http:// a", 0, 11, "needs an address"),
        ("a (b", 2, 4, "never closed"),
        ("a) b", 1, 2, "closes nothing"),
        ("a () b", 2, 4, "nothing in these"),
        ("a OR", 2, 4, "has to follow OR"),
        ("OR a", 0, 2, "Between the beginning and OR"),
        ("a AND OR b", 6, 8, "Between AND and OR"),
        ("a - b", 2, 3, "without a blank"),
        ("a !!! b", 2, 5, "no letter or digit"),
        ("# a", 0, 1, "right before its word"),
        ("kit*", 0, 4, "matched whole"),
        ("-a", 0, 2, "only excludes"),
        ("-a -b", 0, 5, "only excludes"),
        ("NOT (a b)", 0, 8, "only excludes"),
        ("a OR -b", 5, 7, "alternative only excludes"),
        ("a (b OR -c) OR d -e OR -(f g)", 23, 28, "alternative only excludes"),
        (f"a {'(' * (MAX_DEPTH + 1)}b", 2 + MAX_DEPTH, 3 + MAX_DEPTH, "at most 16 within"),
        ("a " * (MAX_PARTS + 1), 2 * MAX_PARTS, 2 * MAX_PARTS + 2, "at most 128"),
        ("a" * (MAX_RULE + 1), MAX_RULE, MAX_RULE + 1, "at most 2,048 characters"),
        ("heron " * 170_000, MAX_RULE, 1_020_000, "at most 2,048 characters; this one has 1,020,000"),
        ("(" * 10_000, MAX_RULE, 10_000, "at most 2,048 characters"),
        ("(" * MAX_RULE, MAX_DEPTH, MAX_DEPTH + 1, "at most 16 within"),
        (")" * MAX_RULE, 0, 1, "Between the beginning and )"),
        ("-" * MAX_RULE, MAX_RULE - 1, MAX_RULE, "without a blank"),
        ("NOT " * 512, MAX_RULE - 4, MAX_RULE - 1, "has to follow NOT"),
        ("-(heron OR boat OR has:links)", 0, 28, "only excludes"),
        ("heron \x07bell", 6, 7, "control character (U+0007)"),
        ('a "grey\x1b[31m heron"', 7, 8, "control character (U+001B)"),
        ("from:ada\x00", 8, 9, "control character (U+0000)"),
        ("boat –heron", 5, 6, "To exclude write -heron"),
        ("🎉 heron", 0, 1, "emoji too, are no words"),
        ("from:👩\u200d👧", 0, 8, "emoji too, are no words"),
        ("\u200b", 0, 1, "are no words"),
        ("ｆｏｒｍ：ada", 0, 5, "Did you mean from:?"),
        ("（a", 0, 2, "never closed"),
    ],
)
def test_a_mistake_is_told_with_its_place(typed: str, start: int, end: int, says: str) -> None:
    (error,) = mistakes(typed)
    assert (error.start, error.end) == (start, end)
    assert says in error.message


def test_all_words_that_cannot_be_are_told_at_once_and_in_order() -> None:
    found = mistakes('form:ada has:nothing on:nowhere "open')
    assert [error.start for error in found] == [0, 9, 21, 32]
    assert found[0].expected[0] == "from:"
    assert "images" in found[1].expected
    assert found[2].expected == ("bluesky", "feeds", "mastodon")


def test_what_excludes_may_stand_beside_what_has_to_be_there_however_deep() -> None:
    assert [canonical(parse(text)) for text in ("a (-b OR -c)", "a OR b -c", "NOT (-a OR b)")] == [
        "a (-b OR -c)",
        "a OR b -c",
        "-(-a OR b)",
    ]


def test_a_rule_full_of_mistakes_is_told_the_first_twenty_in_sentences_that_stay_short() -> None:
    found = mistakes("fro:" + "z" * 30 + " " + "ab:c " * 390)
    assert len(found) == 20
    (endless,) = mistakes("z" * 2_000 + ":heron")
    assert len(endless.message) < 300
    assert [len(one.message) < 300 for one in mistakes(f"has:{'z' * 900} on:{'z' * 900}")] == [True, True]


NOTE = records.ActivityObject(
    kind="NOTE", uri="https://social.example/1", url="https://social.example/@ada/1", language="pt-BR", location="Lisboa",
    summary="Birds", text="Um Café com a garça, see https://blog.example.org/2026/heron?x=1.",
    hashtags=("BirdWatching",), media=(records.Media(media_type="image/png", url="https://m.example/1", alt="a grey heron"),),
    attributed_to=actor("cai@social.example", "Cai Low"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "meets_it"),
    [
        ("cafe", True),  # accents and case are folded
        ("CAFÉ", True),
        ("caf", False),  # whole words
        ('"com a garca"', True),
        ('"garça com"', False),
        ('"birds um"', False),  # parts of a text are no neighbours
        ("birdwatching", True),
        ("#birdwatching", True),
        ("#heron", False),
        ("heron -grey", False),
        ("lisboa", True),
        ("from:ada", True),
        ('from:"Ada Ray"', True),
        ("from:social.example", True),
        ("from:https://social.example/users/ada", True),
        ("from:cai", False),
        ("to:cai", False),
        ("to:dora", True),
        ("about:cai", True),
        ("about:birdwatching", True),
        ("about:ada", False),
        ("has:images has:links has:mentions has:hashtags has:location has:language", True),
        ("has:videos OR has:title", False),
        ("lang:pt", True),
        ("lang:pt-br", True),
        ("lang:pt-PT", False),
        ("lang:und", False),
        ("on:mastodon", True),
        ("on:bluesky", False),
        ("url:example.org", True),
        ("url:blog.example.org/2026", True),
        ("url:https://blog.example.org/2026/heron", True),
        ("url:example.org/20", False),  # not a whole part of the path
        ("url:ample.org", False),
        ("url:social.example", False),  # where the post itself stands
        ("url:heron", True),
        ('url:"2026 heron"', True),
        ("a (b OR (c OR garça)) -(q OR y)", True),
        ("garça -(x OR (um cafe))", False),
    ],
)
def test_an_operator_means_what_is_written_of_it(rule: str, meets_it: bool) -> None:
    dora = actor("dora@other.example", "Dora Quay")
    assert matched(rule, post(1, object=NOTE, mentions=(dora,))) is meets_it


@pytest.mark.parametrize(
    ("rule", "text", "meets_it"),
    [
        ("猫", "小猫咪", True),
        ("猫咪", "小猫咪很可爱", True),
        ("小咪", "小猫咪", False),
        ('"猫 abc"', "小猫abc", True),
        ('"abc 猫"', "abc猫咪", True),
        ("東京", "東京都", True),
        ("서울", "서울에서", True),
        ("дом", "ДОМ у моря", True),
        ("strasse", "Straße", True),
    ],
)
def test_words_are_folded_and_runs_cut_as_in_the_search(rule: str, text: str, meets_it: bool) -> None:
    assert matched(rule, post(1, text)) is meets_it


def test_a_link_counts_only_where_its_author_made_one() -> None:
    html = '<p><a href="https://social.example/tags/x" class="mention hashtag">#x</a> <a href="https://a.example/page?b=1&amp;c=2">here</a></p>'
    shown = post(1, object=records.ActivityObject(kind="NOTE", html=html))
    assert [rule for rule in ("url:a.example/page", "url:social.example", "here") if _met(rule, shown)] == [
        "url:a.example/page",
        "here",
    ]


def _met(rule: str, activity: records.Activity) -> bool:
    matcher = Matcher()
    matcher.add(1, parse(rule))
    return bool(matcher.match(document(activity, "mastodon")))


# --- the matcher is the naive reading -------------------------------------------------------------------------------------

WORDS = st.sampled_from(["ada", "bob", "cafe", "heron", "猫", "小猫", "猫咪", "x1", "grey heron", "ada x1", "猫 ada"])
LEAVES = st.one_of(
    WORDS.map(lambda w: f'"{w}"'),
    st.sampled_from(["from:ada", 'from:"ada ray"', "to:bob", "about:heron", "about:bob", "url:cafe", "url:a.example", "url:a.example/x1"]),
    st.sampled_from(["has:links", "has:images", "has:hashtags", "has:title", "has:mentions", "lang:en", "lang:en-gb", "lang:und", "on:feeds"]),
    st.sampled_from(["#heron", "#x1", "in-circle:family", 'in-circle:"Mill & Sons"']),
)  # fmt: skip
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda r: f"-({r})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' '.join(parts)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' OR '.join(parts)})"),
    ),
    max_leaves=6,
)
SAID = st.lists(st.sampled_from(["Ada", "Bob", "café", "heron", "grey", "小猫咪", "猫", "x1", "https://a.example/x1/y", "http://b.a.example/cafe"])).map(
    " ".join
)  # fmt: skip
PEOPLE = st.sampled_from([actor(), actor("bob@social.example", "Bob Low"), actor("x1@heron.example", "小猫")])
OBJECTS = st.builds(
    records.ActivityObject,
    kind=st.sampled_from(["NOTE", "ARTICLE", "PROFILE"]),
    text=st.one_of(st.none(), SAID),
    name=st.one_of(st.none(), SAID),
    url=st.sampled_from([None, "https://a.example/x1", "https://x1.example/heron"]),
    language=st.sampled_from([None, "en", "en-GB", "de"]),
    hashtags=st.lists(st.sampled_from(["Heron", "x1"]), max_size=2).map(tuple),
    media=st.sampled_from([(), (records.Media(media_type="image/png", url="https://m.example/1", alt="grey heron"),)]),
    attributed_to=st.one_of(st.none(), PEOPLE),
)
ACTIVITIES = st.builds(
    records.Activity,
    key=st.just("1"),
    actor=PEOPLE,
    verb=st.just("CREATE"),
    object=st.one_of(st.none(), OBJECTS),
    target=st.one_of(st.none(), OBJECTS),
    mentions=st.lists(PEOPLE, max_size=2).map(tuple),
)


def readable(texts: list[str]) -> dict[str, Any]:
    found = {}
    for text in texts:
        try:
            found[text] = parse(text)
        except BadRule:
            continue  # it only excludes: test_a_mistake_is_told_with_its_place
    return found


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RULES, max_size=12), st.lists(ACTIVITIES, min_size=1, max_size=5), st.data())
def test_the_matcher_finds_what_a_naive_reading_of_every_rule_finds(
    texts: list[str], activities: list[records.Activity], data: st.DataObject
) -> None:
    rules = readable(texts)
    matcher = Matcher(data.draw(st.dictionaries(st.sampled_from(["ada", "heron", "has:links", "lang:en"]), st.integers(0, 9))))
    for text, rule in rules.items():
        matcher.add(text, rule)
    gone = data.draw(st.sets(st.sampled_from(sorted(rules)))) if rules else set()
    for text in gone:
        matcher.remove(text)
    assert len(matcher) == len(rules) - len(gone)
    for activity in activities:
        circles = data.draw(st.sets(st.sampled_from(["family", "mill sons", "others"])))
        wanted = {text for text, rule in rules.items() if text not in gone and meets(rule, activity, "feeds", circles)}
        assert set(matcher.match(document(activity, "feeds", circles))) == wanted


@settings(max_examples=100, deadline=None)
@given(RULES)
def test_a_printed_rule_reads_as_the_same_rule(text: str) -> None:
    for rule in readable([text]).values():
        assert parse(canonical(rule)) == rule
        assert canonical(parse(canonical(rule))) == canonical(rule)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='ab :-()"#*\\\n\u201c猫éANDORT（）：－–\x07🎉\u200bส', max_size=40))
def test_whatever_is_typed_is_a_rule_or_a_mistake_within_it(text: str) -> None:
    try:
        rule = parse(text)
    except BadRule as refused:
        assert refused.errors and all(0 <= one.start <= one.end <= len(text) for one in refused.errors)
    else:
        assert parse(canonical(rule)) == rule


def test_rules_that_are_written_alike_and_mean_different_circles_are_different_rules() -> None:
    matcher = Matcher()
    for circle_id in ("C_1", "C_2"):
        matcher.add(circle_id, parse("heron in-circle:climbing", circles=Circles(names={}, bound={"climbing": circle_id})))
    assert matcher.match(document(post(1, "heron"), "mastodon", ["C_2"])) == ["C_2"]


def test_a_rule_taken_out_leaves_nothing_behind() -> None:
    matcher = Matcher()
    for n in range(20):
        matcher.add(n, parse(f"(a OR b{n}) c -d"))
        matcher.add(n, parse(f"(a OR b{n % 3}) c"))  # in place of it
    for n in range(20):
        matcher.remove(n)
        matcher.remove(n)
    assert (len(matcher), matcher._index, matcher._plans) == (0, {}, {})
