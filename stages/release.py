"""The students as Hugging Face models, and what makes them releasable.

python -m stages.release --output released   # --push sends them there
"""

from stages.edge.cli import running
from stages.edge.publish import release


def main() -> None:
    """Write the models of a run with their cards."""
    parser = running.parser(__doc__)
    release.options(parser)
    release.release(parser.parse_args())


if __name__ == "__main__":
    running.run(main, is_stage=False)
