"""The student's starting weights -> models/base, a folder in transformers' layout.

python -m stages.base --output models/base
"""

from pathlib import Path

from stages.edge import params, track
from stages.edge.cli import running
from stages.edge.files import scratch
from stages.edge.models import weights


def main() -> None:
    """Fetch, copy or convert the weights that params.yaml names."""
    args = running.parser(__doc__, "output").parse_args()
    settings = params.load(params.Base, "base")
    with track.stage("base", settings.model_dump()) as run:
        commit = settings.revision
        with scratch.replacing(args.output, is_folder=True) as partial:
            match settings.kind:
                case "hub":
                    commit = weights.from_hub(settings.name, settings.revision, partial)
                case "folder":
                    weights.from_folder(Path(settings.name), partial)
                case "package":
                    weights.from_package(settings.name, settings.file or "", partial)
            weights.record_source(partial, {"kind": settings.kind, "name": settings.name, "revision": commit})
        run.tags({"identity": weights.identity(args.output)})


if __name__ == "__main__":
    running.run(main)
