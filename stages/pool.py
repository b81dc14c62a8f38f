"""The traces of two efforts as one table, so that they vote together and are mixed in one SFT set.

python -m stages.pool --traces data/traces/medium data/traces/high --output data/traces/both

Its parts are links to theirs, each with the name of its effort before its own. Each row keeps its effort.
"""

from stages.edge import track
from stages.edge.cli import running
from stages.edge.files import links, scratch, tables


def main() -> None:
    """Link the parts of all folders of traces."""
    args = running.parser(__doc__, "output", several=["traces"]).parse_args()
    with track.stage(f"pool@{args.output.name}", {}), scratch.replacing(args.output) as partial:
        for folder in args.traces:
            for file in tables.files(folder):
                links.link(file, partial / f"{folder.name}-{file.name}")


if __name__ == "__main__":
    running.run(main)
