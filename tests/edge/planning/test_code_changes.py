"""Files of a package that changed since its recorded hash, by git's history."""

import subprocess
from pathlib import Path

import pytest

from stages.edge.files import lockfile
from stages.edge.planning import code_changes


def commit(folder: Path) -> None:
    for command in (["add", "-A"], ["commit", "-qm", "c"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *command], cwd=folder, check=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose package has two files, changed in a later commit that is not the last."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    package = tmp_path / "code/package"
    (package / "inner").mkdir(parents=True)
    (package / "one.py").write_text("1\n")
    (package / "inner/two.py").write_text("2\n")
    commit(tmp_path)
    return tmp_path


def test_what_was_edited_added_and_deleted_since_is_named(project: Path) -> None:
    package = project / "code/package"
    recorded = lockfile.path_md5(package)
    (package / "inner/two.py").unlink()
    (package / "three.py").write_text("3\n")
    commit(project)
    (package / "one.py").write_text("one\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__/one.pyc").write_text("compiled")
    assert code_changes.changed_files(project, "code/package", recorded) == ("inner/two.py", "one.py", "three.py")


def test_of_code_that_was_never_committed_nothing_is_named(project: Path) -> None:
    (project / "code/package/one.py").write_text("tried\n")
    recorded = lockfile.path_md5(project / "code/package")
    (project / "code/package/one.py").write_text("other\n")
    assert code_changes.changed_files(project, "code/package", recorded) == ()
    assert code_changes.changed_files(project, "code/package", None) == ()


def test_outside_git_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "code/package").mkdir(parents=True)
    assert code_changes.changed_files(tmp_path, "code/package", "0.dir") == ()
