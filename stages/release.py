"""The students as Hugging Face models, and what makes them releasable.

python -m stages.release --output released   # --push sends them there
"""

import argparse

from stages.edge.cli import running
from stages.edge.publish import release


def main() -> None:
    """Write the models of a run with their cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    release.options(parser)
    args = parser.parse_args()
    args.verb(args)


if __name__ == "__main__":
    running.run(main, is_stage=False)
