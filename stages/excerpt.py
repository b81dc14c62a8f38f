"""The teacher's traces of some problems, with their verdicts: for the page of results, on hosts without all traces.

python -m stages.excerpt --traces data/traces --verdicts data/verdicts --output data/excerpt.parquet
"""

import argparse
from pathlib import Path

import polars as pl

from stages.core import browser, judging
from stages.edge import cli, excerpts, params, tables, track


def main() -> None:
    """Take whole problems, the same in every run, until there are about as many traces as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("traces", "verdicts", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    settings = params.load(params.Report, "report")
    with track.stage("excerpt", settings.model_dump()) as run:
        folders = tables.folders(args.traces)
        share = excerpts.share(folders, settings.num_traces)
        found = [pl.DataFrame(schema=browser.EXCERPT)]
        for folder in folders:
            marks = excerpts.read(args.verdicts / f"{folder.name}.parquet", browser.MARKS_IN, share)
            found.append(browser.marked(excerpts.read(folder, browser.TRACES_IN, share), marks))
        table = pl.concat(found)
        tables.write(table, args.output, browser.EXCERPT, judging.KEY)
        run.metrics({"num_traces": table.height, "share": share})


if __name__ == "__main__":
    cli.run(main)
