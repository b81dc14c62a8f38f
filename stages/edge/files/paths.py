"""Where the checkout stands, also seen from DVC's temporary workspaces."""

from pathlib import Path


def project_root(cwd: Path) -> Path:
    """Root of the main checkout: what stands before `/.dvc/tmp/exps/` in a temporary workspace, else `cwd`."""
    root, inside, _ = str(cwd.resolve()).partition("/.dvc/tmp/exps/")
    return Path(root) if inside else cwd.resolve()
