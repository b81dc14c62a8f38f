"""Edit here, these stages run: what an edit of each file of stages/ makes stale, by dvc.yaml and by the imports.

`python -m tests.test_edits` writes the table into CONTRIBUTING.md.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.test_architecture import ROOT, arrows, as_deps, closure, imports, modules, stages, verb_of

DOCUMENT = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- edits: python -m tests.test_edits -->\n", "<!-- end of edits -->"
PAID = {"teach", "exam", "baselines", "train"}
MOST_LINES = {"teach": 3_000, "exam": 3_000, "baselines": 3_000, "train": 1_600}
COMPARING = {"sympy", "mpmath", "math_verify", "latex2sympy2_extended"}
MODULE_LINES, FUNCTION_LINES = 300, 60


def files() -> list[str]:
    """Every file of the program."""
    return [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "stages").rglob("*.py"))]


@cache
def listed() -> dict[str, set[str]]:
    """Code deps of each stage in dvc.yaml."""
    return {name: {dep for dep in stage["deps"] if dep.startswith("stages/")} for name, stage in stages(ROOT)}


@cache
def reached() -> dict[str, set[str]]:
    """Code deps of each stage by the imports of its verb."""
    return {name: as_deps(closure(ROOT, verb_of(stage)[0])) for name, stage in stages(ROOT)}


def stale(file: str, deps: dict[str, set[str]]) -> set[str]:
    """Names of the stages of which a dep is this file, or a folder that holds it."""
    return {name for name, each in deps.items() if any(file == dep or file.startswith(f"{dep}/") for dep in each)}


def code(name: str) -> list[Path]:
    """The files of code that decide a stage's outs."""
    paths = (ROOT / module.replace(".", "/") for module in closure(ROOT, verb_of(dict(stages(ROOT))[name])[0]))
    return [path / "__init__.py" if path.is_dir() else path.with_suffix(".py") for path in paths]


def table() -> str:
    """Markdown: each dep, and the stages that list it, in the order of the pipeline."""
    order = list(listed())
    deps: dict[str, set[str]] = {}
    for name, each in listed().items():
        for dep in each:
            deps.setdefault(dep, set()).add(name)
    rows = [("edit here", "these stages run")]
    rows += [(f"`{dep}`", ", ".join(sorted(names, key=order.index))) for dep, names in sorted(deps.items())]
    rows += [("anything else in `stages/`", "none")]
    widths = [max(len(row[place]) for row in rows) for place in (0, 1)]
    lines = [f"| {first:<{widths[0]}} | {second:<{widths[1]}} |" for first, second in rows]
    return "\n".join([lines[0], f"|{'-' * (widths[0] + 2)}|{'-' * (widths[1] + 2)}|", *lines[1:], ""])


def test_the_table_stands_in_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{table()}")
    assert f"{BEGIN}{table()}{END}" in DOCUMENT.read_text(), "python -m tests.test_edits writes it anew"


@pytest.mark.parametrize("file", files())
def test_a_stage_depends_on_a_file_if_and_only_if_its_verb_reaches_its_package(file: str) -> None:
    assert stale(file, listed()) == stale(file, reached())


@pytest.mark.parametrize("file", [file for file in files() if file.startswith("stages/core/equality/")])
def test_how_two_answers_are_compared_asks_and_trains_nothing_again(file: str) -> None:
    assert stale(file, listed()) == {"vote", "judge", "choose", "mark"}


@pytest.mark.parametrize("file", [file for file in files() if file.startswith("stages/edge/")])
def test_an_edit_of_effects_makes_nothing_stale(file: str) -> None:
    assert stale(file, listed()) == set()


@pytest.mark.parametrize("file", [file for file in files() if file.startswith("stages/core/training/")])
def test_what_decides_the_weights_trains_anew_and_does_nothing_else(file: str) -> None:
    assert stale(file, listed()) == {"train"}


@pytest.mark.parametrize(
    "file", [file for file in files() if file.startswith(("stages/core/page", "stages/core/scoring"))]
)
def test_numbers_and_pages_cost_minutes(file: str) -> None:
    assert stale(file, listed()) <= {"report", "excerpt", "page"}


@pytest.mark.parametrize("name", sorted(PAID))
def test_a_paid_stage_depends_on_little(name: str) -> None:
    num_lines = sum(len(file.read_text().splitlines()) for file in code(name))
    assert num_lines <= MOST_LINES[name]
    trees = modules(ROOT)
    own = closure(ROOT, verb_of(dict(stages(ROOT))[name])[0])
    foreign = {each.split(".")[0] for module in own for each in imports(trees[module], set(trees))}
    assert not foreign & COMPARING


def rings(graph: dict[str, set[str]]) -> Iterator[str]:
    """Names that lead back to themselves."""
    for start in graph:
        waiting, seen = list(graph[start]), set[str]()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += graph[name]
        if start in seen:
            yield start


def test_no_imports_go_round_in_rings() -> None:
    graph = {name: found - {name} for name, found in arrows(ROOT).items()}
    assert list(rings(graph)) == []
    packages: dict[str, set[str]] = {}
    for name, found in graph.items():
        if name.startswith("stages.core."):
            own = name.split(".")[2]
            packages.setdefault(own, set()).update(each.split(".")[2] for each in found if each.split(".")[2] != own)
    assert list(rings(packages)) == []
    assert list(rings({"a": {"b"}, "b": {"a"}, "c": {"a"}})) == ["a", "b"]


@pytest.mark.parametrize("file", files())
def test_a_module_and_a_function_fit_into_a_head(file: str) -> None:
    text = (ROOT / file).read_text()
    assert len(text.splitlines()) <= MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, node.name


def test_a_package_says_in_one_sentence_what_it_is() -> None:
    for file in files():
        if file.startswith("stages/core/") and file.endswith("/__init__.py"):
            docstring = ast.get_docstring(ast.parse((ROOT / file).read_text())) or ""
            assert docstring.endswith("."), file


def main() -> None:
    """Write the table into the docs."""
    text = DOCUMENT.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        sys.exit(f"{DOCUMENT} has no place for the table: {BEGIN.strip()} and {END}")
    DOCUMENT.write_text(pattern.sub(lambda _: f"{BEGIN}{table()}{END}", text))


if __name__ == "__main__":
    main()
