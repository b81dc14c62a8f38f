"""The rules that keep DVC's cache honest, and that each of them is noticed when it is broken."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter

from stages.edge import params

ROOT = Path(__file__).parents[1]
PURE_LIBRARIES = {
    "numpy",
    "polars",
    "scipy",
    "sympy",
    "mpmath",
    "math_verify",
    "latex2sympy2_extended",
    "openai_harmony",
    "rensa",
    "altair",
    "regex",
}
LEARNING_LIBRARIES = {"torch", "transformers", "trl", "datasets", "accelerate"}
"""What core/training may import besides: they decide the weights, and nothing else of core needs them."""
EFFECTS = {
    *("asyncio", "ctypes", "datetime", "fcntl", "glob", "http", "importlib", "io", "logging", "multiprocessing", "os"),
    *("pathlib", "pickle", "resource", "secrets", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys"),
    *("tempfile", "threading", "time", "urllib", "uuid", "warnings"),
}
"""Modules of the standard library that touch the world, or tell of it."""


def modules(project: Path) -> dict[str, ast.Module]:
    """Dotted name -> syntax tree of every module under stages/."""
    found = {}
    for file in sorted((project / "stages").rglob("*.py")):
        name = ".".join(file.relative_to(project).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.AST, known: set[str]) -> set[str]:
    """Dotted names of the modules that a tree imports, also inside functions; a project module with its whole name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= inner or {node.module}
    return found


def room(module: str) -> str:
    """`core`, `edge`, or `verb` for what stands in stages/ itself."""
    parts = module.split(".")
    return parts[1] if parts[1:2] in (["core"], ["edge"]) else "verb"


def wrong_imports(project: Path) -> list[str]:
    """Imports that do not point inward, and effects in core."""
    trees = modules(project)
    known = set(trees)
    faults = []
    for module, tree in trees.items():
        if module == "stages":
            continue
        for name in imports(tree, known):
            top = name.split(".")[0]
            fault = None
            if top == "stages":
                if room(name) == "verb":
                    fault = "nobody imports a verb"
                elif room(module) == "core" and room(name) != "core":
                    fault = "core imports core alone"
            elif top in LEARNING_LIBRARIES and module.startswith("stages.core.training."):
                continue
            elif room(module) == "core" and (
                top in EFFECTS or (top not in sys.stdlib_module_names and top not in PURE_LIBRARIES)
            ):
                fault = "core has no effects and only pure libraries"
            if fault:
                faults.append(f"{module} imports {name}: {fault}")
    return sorted(faults)


@cache
def arrows(project: Path) -> dict[str, set[str]]:
    """Dotted name -> the modules of the project that it imports."""
    trees = modules(project)
    return {name: imports(tree, set(trees)) & set(trees) for name, tree in trees.items()}


def closure(project: Path, verb: str) -> set[str]:
    """Modules whose change may change the verb's results: itself and all of core that it reaches, also through edge."""
    waiting, seen = [verb], set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += arrows(project)[module]
    return {module for module in seen if module == verb or module.startswith("stages.core.")}


def as_deps(modules: set[str]) -> set[str]:
    """What dvc.yaml lists for some modules: a package of core whole, and of the tables each by itself."""
    found = set()
    for module in modules:
        parts = module.split(".")
        if room(module) == "verb" or (parts[2] == "tables" and len(parts) > 3):
            found.add("/".join(parts) + ".py")
        elif parts[2] != "tables":
            found.add("/".join(parts[:3]))
    return found


def stages(project: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, definition) of each stage of dvc.yaml, `foreach` taken off."""
    for name, stage in yaml.safe_load((project / "dvc.yaml").read_text())["stages"].items():
        yield name, stage.get("do", stage)


def verb_of(stage: dict[str, Any]) -> tuple[str, str]:
    """(module, sub-command or '') of a stage's command line."""
    found = re.match(r"exec python -m (stages\.\w+)(?: ([a-z]\w*))?", stage["cmd"])
    assert found, stage["cmd"]
    return found[1], found[2] or ""


def wrong_deps(project: Path) -> list[str]:
    """Stages whose code deps are not the import closure of their verb."""
    faults = []
    for name, stage in stages(project):
        listed = {dep for dep in stage["deps"] if dep.startswith("stages/")}
        needed = as_deps(closure(project, verb_of(stage)[0]))
        faults += [f"{name}: {dep} is missing in deps" for dep in sorted(needed - listed)]
        faults += [f"{name}: {dep} in deps is not imported" for dep in sorted(listed - needed)]
    return faults


def loaded_sections(tree: ast.Module, command: str) -> set[str]:
    """Sections that a verb loads, on the way from its sub-command (or `main`); placeholders become `{}`."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    waiting, seen, found = [command or "main"], set(), set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in ast.walk(functions[name]):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name):
                waiting.append(node.func.id)
            elif isinstance(node.func, ast.Attribute) and node.func.attr in ("load", "load_part", "load_shared"):
                section = _literal(node.args[1])
                if node.func.attr == "load_part":
                    kind = getattr(params, node.args[0].attr)  # type: ignore[attr-defined]
                    found |= {f"profiles.{{}}.{section}.{field}" for field in kind.model_fields}
                else:
                    found.add(f"profiles.{{}}.{section}" if node.func.attr == "load" else section)
    return found


def _literal(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr), "a section's name stands in the code"
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def wrong_params(project: Path) -> list[str]:
    """Sections that a stage loads and does not list, or lists and does not load; `runtime` is never listed."""
    trees = modules(project)
    faults = []
    for name, stage in stages(project):
        module, command = verb_of(stage)
        loaded = loaded_sections(trees[module], command)
        listed = {re.sub(r"\$\{[^}]*\}", "{}", param) for param in stage.get("params", [])}
        for section in sorted(loaded - {"profiles.{}.runtime"}):
            if not any(section == each or section.startswith(f"{each}.") for each in listed):
                faults.append(f"{name}: loads {section} and does not list it")
        for each in sorted(listed):
            if not any(section == each or section.startswith(f"{each}.") for section in loaded):
                faults.append(f"{name}: lists {each} and does not load it")
    return faults


def defaults(project: Path) -> list[str]:
    """Fields of settings that have a default, which DVC would not see change."""
    return [
        f"{node.name}.{ast.unparse(field.target)} has a default"
        for name, tree in modules(project).items()
        if name.startswith("stages.edge.params.")
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and field.value is not None
    ]


def spelled_paths(project: Path) -> list[str]:
    """Paths of the pipeline's files that code spells out, docstrings apart."""
    faults = []
    for module, tree in modules(project).items():
        docstrings = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if re.match(r"(data|models|metrics)/\w", text) and id(node) not in docstrings:
                faults.append(f"{module} spells {text}")
    return faults


def expanded(project: Path) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """(name, command line, deps, outs) of each stage of the graph, `foreach` written out."""
    names = yaml.safe_load((project / "params.yaml").read_text())
    for name, stage in yaml.safe_load((project / "dvc.yaml").read_text())["stages"].items():
        each = stage.get("foreach", {"": {}})
        each = names[each[2:-1]] if isinstance(each, str) else each
        for key in each:
            item = each[key] if isinstance(each, dict) else key
            text = yaml.safe_dump(stage.get("do", stage)).replace("${key}", key).replace("${last}", names["last"])
            for field, value in item.items() if isinstance(item, dict) else ():
                text = text.replace(f"${{item.{field}}}", str(value))
            one = yaml.safe_load(text)
            outs = [next(iter(out)) if isinstance(out, dict) else out for out in one["outs"] + one.get("metrics", [])]
            yield f"{name}@{key}", one["cmd"], one["deps"], outs


def wrong_folders(project: Path) -> list[str]:
    """Folders of several outs among the deps, which DVC cannot fetch, or in a command, which would read what an effort or
    a student of another name left there; and outs that are read and no deps."""
    graph = list(expanded(project))
    made = {out for *_, outs in graph for out in outs}
    faults = []
    for name, command, deps, outs in graph:
        words = {*command.split(), *deps}
        faults += [
            f"{name}: {word} is a folder of outs" for word in words if any(o.startswith(f"{word}/") for o in made)
        ]
        read = words & made - set(outs)
        faults += [f"{name}: {out} is read and no dep" for out in sorted(read - set(deps))]
    return faults


def spelled_names(project: Path) -> list[str]:
    """Names of efforts and SFT stages that dvc.yaml has: they stand in params.yaml alone."""
    names = yaml.safe_load((project / "params.yaml").read_text())
    text = (project / "dvc.yaml").read_text()
    return [f"dvc.yaml names {name}" for name in (*names["sft"], *names["efforts"]) if re.search(rf"\b{name}\b", text)]


RULES = (wrong_imports, wrong_deps, wrong_params, defaults, spelled_paths, spelled_names, wrong_folders)


@pytest.mark.parametrize("rule", RULES)
def test_the_project_keeps_the_rule(rule: Any) -> None:
    assert rule(ROOT) == []


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("rule", "file", "old", "new", "fault"),
    [
        (wrong_deps, "dvc.yaml", "      - stages/core/problems\n", "", "collect: stages/core/problems is missing"),
        (wrong_deps, "dvc.yaml", "      - stages/base.py\n", "      - stages/base.py\n      - stages/core/curation/chat.py\n", "not imported"),
        (wrong_deps, "stages/core/curation/selection.py", "import polars", "import stages.core.scoring.scoring\nimport polars", "curate: stages/core"),
        (defaults, "stages/edge/params/judging.py", "    min_votes: Count\n", "    min_votes: Count = 4\n", "Vote.min_votes"),
        (wrong_imports, "stages/core/curation/selection.py", "import polars", "from stages.edge import tables\nimport polars", "core alone"),
        (wrong_imports, "stages/core/curation/selection.py", "import polars", "import os\nimport polars", "no effects"),
        (wrong_imports, "stages/core/curation/selection.py", "import polars", "import torch\nimport polars", "pure libraries"),
        (wrong_imports, "stages/edge/files/tables.py", "import polars", "import stages.vote\nimport polars", "imports a verb"),
        (wrong_imports, "stages/core/training/loss_log.py", "import polars", "import os\nimport polars", "no effects"),
        (wrong_params, "dvc.yaml", "        - profiles.${profile}.train.${key}.seed\n", "        - versions\n", "train: loads"),
        (wrong_params, "dvc.yaml", "train.${key}.checkpoint_exam\n", "train.${key}.seed\n", "choose: lists"),
        (wrong_params, "dvc.yaml", "      - profiles.${profile}.prompts\n", "", "baselines: loads profiles.{}.prompts.{}"),
        (wrong_params, "dvc.yaml", "      - profiles.${profile}.report\n", "      - profiles.${profile}.vote\n", "report: lists"),
        (wrong_folders, "dvc.yaml", "      - data/gathered/${last}\n", "", "report@: data/gathered/final is read and no dep"),
        (wrong_folders, "dvc.yaml", "      - data/gathered/${last}\n", "      - data/gathered\n", "report@: data/gathered is a folder of outs"),
        (spelled_names, "dvc.yaml", "data/gathered/${last}", "data/gathered/final", "dvc.yaml names final"),
        (wrong_folders, "dvc.yaml", "--answers data/answers/${key}.parquet", "--answers data/answers", "vote@high: data/answers is a folder of outs"),
        (wrong_folders, "dvc.yaml", "        - data/answers/${key}.parquet\n        - data/problems", "        - data/problems", "vote@high: data/answers/high.parquet is read and no dep"),
        (spelled_paths, "stages/vote.py", '"changed"', '"data/votes"', "stages.vote spells data/votes"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_noticed(rule: Any, file: str, old: str, new: str, fault: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    replace(tmp_path / file, old, new)
    assert any(fault in each for each in rule(tmp_path)), rule(tmp_path)


def test_a_stage_that_may_ask_a_model_and_by_default_does_not_starts_without_the_client_of_a_server() -> None:
    code = "import sys, stages.choose, stages.judge, stages.mark; sys.exit(len({'openai', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_every_section_forbids_unknown_keys_and_is_frozen() -> None:
    sections = [kind for kind in vars(params).values() if isinstance(kind, type) and issubclass(kind, params.Section)]
    assert len(sections) > 10
    for kind in sections:
        # A teacher's other keys are its efforts, each of them checked.
        extra = "allow" if kind is params.Teacher else "forbid"
        assert kind.model_config["extra"] == extra
        assert kind.model_config["frozen"] is True


SECTIONS: dict[str, Any] = {
    "base": params.Base,
    "collect": params.Collect,
    "prompts.medium": params.TeacherPrompt,
    "prompts.high": params.TeacherPrompt,
    "teach.models": list[params.TeacherModel],
    "teach.medium": params.Teach,
    "teach.high": params.Teach,
    "vote": params.Vote,
    "symbolic": params.SymbolicLimits,
    "curate.turbo": params.Curate,
    "curate.final": params.Curate,
    "train.turbo": params.Train,
    "train.final": params.Train,
    "exam.prompt": params.Prompt,
    "exam.protocol": params.Protocol,
    "exam.overrides.base": params.Override,
    "exam.overrides.turbo": params.Override,
    "exam.overrides.final": params.Override,
    "baselines": list[params.Baseline],
    "examine": list[str],
    "report": params.Report,
    "judge": params.Judge,
    "runtime": params.Runtime,
}
PROFILES = yaml.safe_load((ROOT / "params.yaml").read_text())["profiles"]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_complete_and_holds_nothing_else(profile: str) -> None:
    found = PROFILES[profile]
    for section, kind in SECTIONS.items():
        value: Any = found
        for part in section.split("."):
            value = value[part]
        TypeAdapter(kind).validate_python(value)
    assert set(found) == {section.partition(".")[0] for section in SECTIONS}
    assert all(get_args(kind) or issubclass(kind, BaseModel) for kind in SECTIONS.values())


def test_stages_are_described_and_each_can_come_back_from_the_run_cache() -> None:
    """DVC's run cache leaves out a stage with an out that is not cached, unless that is a metric."""
    for name, stage in stages(ROOT):
        assert stage["desc"].endswith("."), name
        for kind in ("outs", "metrics"):
            for out in stage.get(kind, []):
                settings = next(iter(out.values())) if isinstance(out, dict) else {}
                path = next(iter(out)) if isinstance(out, dict) else out
                assert "persist" not in settings, f"{name}: {path} must not survive a rerun"
                # A paid stage's outs come back from the cache together; the metrics of the others are in git.
                assert ("cache" in settings) == (kind == "metrics" and name != "train"), f"{name}: {path}"
