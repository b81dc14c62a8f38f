"""Minutes and memory of the stages that ran last: `python -m stages.edge.cli`."""

from pathlib import Path

from stages.edge import params
from stages.edge.cli import running, stage_log


def main() -> None:
    """Print the last logged minutes of each stage of the chosen profile."""
    running.parser(__doc__, prog="python -m stages.edge.cli").parse_args()
    name = params.profile()
    last = {row["stage"]: row for row in stage_log.rows(Path.cwd(), name)}
    if not last:
        print(f"no stage of the profile {name} has run here yet; `dvc repro` runs them")
        return
    for row in last.values():
        print(f"{row['stage']:<18} {row['seconds'] / 60:6.1f} min {row['peak_gib']:6.2f} GiB  load {row['load']:.1f}")
    print(f"{'all':<18} {sum(row['seconds'] for row in last.values()) / 60:6.1f} min")


if __name__ == "__main__":
    running.run(main, is_stage=False)
