"""graphql-core's own tests of execution (which are GraphQL.js's, in Python; both MIT), run on compiled plans.

They come with graphql-core's source of the release that is installed, fetched once, and are run as they are, with `standing_in`
as a plugin: wherever they execute an operation, its plan does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests import fetched
from tests.chaos.report import Report

DESCRIBE: Final = "pytest-describe==3.2.0"  # how these tests are written
HERE: Final = Path(__file__).parent
SECONDS: Final = 600
# what is different on purpose, and why
DIFFERENT: Final = {
    "test_cancellation.py::describe_execute_cancellation::suppresses_sibling_errors_after_a_non_null_error_bubbles": (
        "an error two turns of the loop after another one: graphql-core begins its part two turns late, and reports it too"
    ),
    "test_executor.py::describe_execute_handles_basic_execution_tasks::provides_info_about_current_execution_state": (
        "`info` has the same attributes, but is no tuple that could be compared"
    ),
    "test_executor.py::describe_execute_handles_basic_execution_tasks::handles_sync_errors_combined_with_async_ones": (
        "a coroutine takes its first step at once, not only when its siblings have been called"
    ),
    "test_executor.py::describe_execute_handles_basic_execution_tasks::"
    "handles_sync_errors_combined_with_async_ones_in_async_context": "the same",
    "test_sync.py::describe_execute_synchronously_when_possible::describe_execute_sync::"
    "iterates_sync_and_async_iterables_synchronously_without_check_sync": "plans have a loop, and do wait",
    "test_sync.py::describe_execute_synchronously_when_possible::describe_execute_sync::"
    "reports_async_iterables_as_errors_without_check_sync": "the same",
}
CHOSEN: Final = ("abstract", "directives", "executor", "lists", "mutations", "nonnull", "oneof", "parallel", "resolve", "schema",
                 "union_interface", "variables")  # fmt: skip


def run(*, all_of_them: bool) -> Report:
    """The tests; in part only those of the specification's algorithms. Raises Missing where they cannot be fetched."""
    folder = _source()
    chosen = ["tests/execution"] if all_of_them else [f"tests/execution/test_{name}.py" for name in CHOSEN]
    leave_out = ["--ignore", "tests/execution/incremental"] if all_of_them else ["-k", "not deeply"]
    for name in DIFFERENT:
        leave_out += ["--deselect", f"tests/execution/{name}"]
    (folder / "here.ini").write_text("[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n")
    paths = (folder / "describe", HERE, HERE.parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "here.ini", "--rootdir", ".", "-p", "standing_in", "-p", "no:cacheprovider", "-q",
         "-W", "ignore", "--tb", "line", *chosen, *leave_out],
        cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    report = Report()
    passed = re.search(r"(\d+) passed", done.stdout)
    report.figures["passed"] = int(passed[1]) if passed else 0
    report.figures["left out, different on purpose"] = len(DIFFERENT)
    for by, count in re.findall(r"'([\w-]+)': (\d+)", done.stdout[done.stdout.rfind("executed by") :]):
        report.figures[f"operations by {by}"] = int(count)
    report.hold(f"not all passed: {done.stdout[-3000:]}{done.stderr[-1000:]}", done.returncode == 0)
    return report


def _source() -> Path:
    release = f"graphql-core=={version('graphql-core')}"

    def make(folder: Path) -> None:
        pip = (sys.executable, "-m", "pip")
        fetched.run(*pip, "download", "--quiet", "--no-deps", "--no-binary", "graphql-core", "--dest", folder, release)
        with tarfile.open(next(folder.glob("graphql_core-*.tar.gz"))) as archive:
            for member in archive.getmembers():
                inside = Path(*Path(member.name).parts[1:])
                if member.isfile() and inside.parts[:1] == ("tests",) and (content := archive.extractfile(member)) is not None:
                    (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                    (folder / inside).write_bytes(content.read())
        fetched.run(*pip, "install", "--quiet", "--no-deps", "--target", folder / "describe", DESCRIBE)

    return fetched.part("graphql-core-tests", (release, DESCRIBE), make)
