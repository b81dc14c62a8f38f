"""How much better the students of run B are than those of run A, on the same problems.

python -m stages.compare                             # what lies here, against your run before it
python -m stages.compare --list                      # the runs of this checkout
python -m stages.compare main my-experiment          # commits, branches, experiments, runs of the list, `workspace`
python -m stages.compare --over seeds                # over all runs that differ in the seeds of training alone
python -m stages.compare samples_aime24.jsonl details_aime24.parquet

Without names the workspace is compared with the newest other run of the committed settings; with one name, that run
with the workspace. A difference holds for the weights that were examined. `--over seeds` is about the recipe: its
interval covers the luck of training too, from at least three runs of each side.

Two files of other programs are compared too: samples of lm-evaluation-harness, details of lighteval, and of ours a
table of scores, a table of traces, or lines of `stages.score`. Their answers are judged by this pipeline, both alike;
with `--metric NAME` the score counts that their own program gave. Problems are paired by id, or by their questions.
"""

import argparse
from pathlib import Path

from stages.core.scoring.scoring import Method
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.results import comparing, result_table


def main() -> None:
    """Show the difference of each student, the problems gained and lost, and the settings that differ."""
    parser = running.parser(__doc__)
    parser.add_argument("a", nargs="?", help="commit, branch, experiment, run of --list, or `workspace`; or a file")
    parser.add_argument("b", nargs="?", help="another one (default: the workspace)")
    parser.add_argument("--list", action="store_true", help="show the runs of this checkout, the newest first")
    parser.add_argument("--over", choices=["seeds"], help="repeat both sides over the seeds of training")
    parser.add_argument("--golds", type=Path, help="for files that do not hold them")
    parser.add_argument("--metric", nargs="+", help="of files: the name of the score in each, or of both")
    parser.add_argument("--student", nargs="+", help="of tables of scores: whose, in each or in both")
    parser.add_argument("--strict", action="store_true", help="of files: only boxes and statements are answers")
    args = parser.parse_args()
    method = result_table.method(params.load(params.Report, "report"), params.load(params.Protocol, "exam.protocol"))
    places = [Path(name) for name in (args.a, args.b) if name is not None]
    if any(place.is_file() for place in places):
        _compare_files(args, places, method)
        return
    runs = comparing.Runs(Path.cwd())
    if args.list:
        comparing.show_list(runs, method)
        return
    one, other = runs.pair(args.a, args.b)
    (comparing.show_over_seeds if args.over else comparing.show)(runs, one, other, method)


def _compare_files(args: argparse.Namespace, places: list[Path], method: Method) -> None:
    if args.list or args.over:
        raise InputError("--list and --over are about runs of this checkout: leave them out for files")
    if len(places) < 2:
        raise InputError(f"{places[0]} is a file: name a second one")
    comparing.show_files(args, places, method)


if __name__ == "__main__":
    running.run(main, is_stage=False)
