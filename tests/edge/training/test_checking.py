"""A change of the code that decides the weights trains anew, and is noticed here; a change of anything else is not."""

import ast
import shutil
from pathlib import Path

import pytest

from stages.core import training
from stages.core.training import recipe
from stages.edge import params
from stages.edge.training import checking
from tests.edge.asking.test_sampler import runtime
from tests.test_kills import write_sft
from tests.tiny_models import save_tiny_model

PACKAGE = Path(training.__file__).parent
LOSSES = [5.612267, 5.547784, 5.060071, 4.166677, 3.653238]
"""Of the first steps below, as the recorded version trains them."""


def test_the_code_that_decides_the_weights_is_the_code_that_was_checked() -> None:
    assert checking.code_hash() == recipe.CODE, (
        "code in stages/core/training that decides the trained weights has changed. If they change with it, raise "
        f"VERSION in {recipe.__name__} and set CODE to {checking.code_hash()!r}: every training then runs anew. If they do "
        "not, `python -m stages.verify train@turbo --record` compares the losses of the first steps and records that."
    )


def test_the_first_losses_are_those_of_the_recorded_version(tmp_path: Path) -> None:
    assert first_losses(tmp_path) == pytest.approx(LOSSES, abs=1e-4), (
        "another loss: raise VERSION in stages/core/training/recipe.py, and record these losses here"
    )


def first_losses(folder: Path) -> list[float]:
    """Of five of the eight steps of a tiny model on rows of sums, several to a pass."""
    write_sft(folder, 32)
    settings = params.load_profile("cpu").train["turbo"]
    changed = settings.model_copy(update={"learning_rate": 0.01, "batch_size": 4, "warmup_ratio": 0.1})
    machine = runtime(micro_batch_tokens=400)
    student = save_tiny_model(folder / "student", "Qwen3")
    steps = checking.first_steps(student, folder / "data/sft/turbo", changed, machine, num_steps=5)
    return [step["loss"] for step in steps]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "training"))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("batches.py", "labels[: max(num_prompt, 1)] = IGNORED", "labels[:1] = IGNORED"),
        ("arguments.py", '"lr_scheduler_type": "cosine_with_min_lr"', '"lr_scheduler_type": "linear"'),
        ("batching.py", "default_rng((seed, epoch))", "default_rng((seed, epoch, 0))"),
    ],
)
def test_an_edit_that_can_change_the_weights_changes_the_hash(file: str, old: str, new: str, package: Path) -> None:
    before = checking.code_hash(package)
    assert before == checking.code_hash()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert checking.code_hash(package) != before


def test_comments_docstrings_line_breaks_and_what_only_reports_change_nothing(package: Path) -> None:
    for file in package.glob("*.py"):
        text = file.read_text()
        docstring = ast.get_docstring(ast.parse(text), clean=False)
        assert docstring
        file.write_text("# A comment.\n\n\n" + text.replace(docstring, "Another sentence.", 1))
    for name in recipe.REPORTING:
        (package / f"{name}.py").write_text("")
    assert checking.code_hash(package) == checking.code_hash()


def test_what_decides_the_weights_imports_nothing_of_the_project_that_is_not_hashed() -> None:
    hashed = [file for file in PACKAGE.glob("*.py") if file.stem not in recipe.REPORTING]
    assert len(hashed) >= 6
    names = {file.stem for file in hashed}
    for file in hashed:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert not any(each.name.startswith("stages") for each in node.names), file
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stages"):
                modules = {str(node.module).removeprefix("stages.core.training.")}
                modules = {each.name for each in node.names} if node.module == "stages.core.training" else modules
                assert modules <= names, f"{file.name} imports {modules - names}"


def test_a_run_is_known_by_its_version_while_its_code_is_checked_and_by_its_code_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "CODE", checking.code_hash())
    assert checking.version() == str(recipe.VERSION)
    monkeypatch.setattr(recipe, "CODE", "of before")
    assert checking.version() == checking.code_hash()
    copy = Path(shutil.copyfile(checking.RECORD, tmp_path / "recipe.py"))
    copy.write_text(copy.read_text().replace(checking.code_hash(), "0" * 64))
    monkeypatch.setattr(checking, "RECORD", copy)
    checking.record()
    assert copy.read_text().count(f'CODE = "{checking.code_hash()}"\n') == 1
