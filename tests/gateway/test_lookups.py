"""A thousand look-ups are one query within the limits of an installation as it comes, and nobody is asked what the guard forbids."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.running import ask, asking, key_of, opened

MANY = """query Many($resources: [String!]!) { lookups(resources: $resources) { resource state message lookup {
  subject { uri kind name person { name } } nodes { uri kind name bio person { name } }
  links { from to relation claim protocols evidenceUrl asOf } sources { url protocol state message } } } }"""


async def test_a_thousand_addresses_are_one_query_and_one_more_is_too_many(tmp_path: Path) -> None:
    numbers = [f"tel:+4930{n:07}" for n in range(994)]
    inside = [
        "https://127.0.0.1/",
        "https://localhost/",
        "http://[::1]:8000/",
        "acct:ada@127.0.0.1",
        "did:web:localhost",
        "nonsense",
    ]
    async with opened(tmp_path, schema=None) as installation:
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            answer = (await ask(client, MANY, variables={"resources": [*numbers, *inside]})).json()
            assert "errors" not in answer, answer["errors"]
            found = answer["data"]["lookups"]
            assert [one["resource"] for one in found] == [*numbers, *inside]
            assert {one["state"] for one in found[:994]} == {"NOT_FOUND"}
            assert {one["state"] for one in found[994:999]} == {"UNAVAILABLE"}
            assert found[999]["state"] == "INVALID"
            assert answer["extensions"]["kith"]["cost"] < installation.settings.max_cost
            more = (await ask(client, MANY, variables={"resources": [*numbers, *inside, "tel:+493099999"]})).json()
            assert more["errors"][0]["extensions"]["code"] in ("BAD_ARGUMENTS", "TOO_MANY_IDS")
