"""Look at rows of a finished run, drawn at random by stratum, and keep how many are wrong, with its interval.

python -m stages.review rows turbo --number 50 --output metrics/review_turbo.json
python -m stages.review labels medium --number 20 --output metrics/review_labels.json
python -m stages.review rejects turbo --reason incorrect --number 20 --output metrics/review_rejects.json

`rows` are those of an SFT set, `labels` those that a vote changed, `rejects` the traces that became no row. Each is
shown in the terminal and takes y (right), n (wrong) or u (unsure); q ends, and the same command goes on. With `--page
FILE` the rows stand in one page for a browser instead, which gives a file for `--answers`. The output is small: put it
into git, and name it to `python -m stages.edge.publish --reviews`, whose card cites it.
"""

import argparse
import sys
from pathlib import Path

from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.files.metrics import write_metrics, write_text
from stages.edge.results import reviewing
from stages.edge.results.reviewing import Review


def main() -> None:
    """Show the rows, take opinions, and write what they say of all rows."""
    args = _arguments()
    by = args.by or reviewing.DEFAULT_BY[args.kind]
    review = reviewing.drawn(Path.cwd(), args.kind, args.name, args.number, args.seed, by, args.reason)
    opinions = reviewing.kept(args.output, review)
    if args.page:
        write_text(reviewing.page(review, opinions), args.page)
        print(f"{len(review.items)} rows stand in {args.page}: open it in a browser")
        return
    if args.answers:
        if not args.answers.is_file():
            raise InputError(f"{args.answers}: is not there; save what the page shows at its end")
        opinions |= reviewing.kept(args.answers, review)
    else:
        _ask(review, opinions, args.output)
    found = reviewing.document(review, opinions)
    write_metrics(found, args.output)
    print(f"{found['num_reviewed']} of {len(review.items)} rows are looked at, of {found['num_rows']:,} in all")
    if "error_rate" in found:
        rate, low, high = (100 * found[name] for name in ("error_rate", "ci_low", "ci_high"))
        print(f"wrong: {rate:.1f} % [{low:.1f}, {high:.1f}]")


def _arguments() -> argparse.Namespace:
    parser = running.parser(__doc__)
    parser.add_argument("kind", choices=list(reviewing.QUESTIONS))
    parser.add_argument("name", help="a stage of `sft` in params.yaml; for labels an effort")
    parser.add_argument("--number", type=running.count, default=50, help="rows to look at (%(default)s)")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--by", nargs="+", help="columns that make the strata, such as source label_source decided_by")
    parser.add_argument("--reason", help="of rejects: only those with this one")
    parser.add_argument("--output", type=Path, required=True, help="JSON: the estimate, and each opinion")
    parser.add_argument("--page", type=Path, help="write a page to judge in")
    parser.add_argument("--answers", type=Path, help="what that page gave")
    return parser.parse_args()


def _ask(review: Review, opinions: dict[str, str], output: Path) -> None:
    """Ask on each row without an opinion, and keep each at once: whoever stops goes on there."""
    print(review.question)
    for number, item in enumerate(review.items, 1):
        if item.id in opinions:
            continue
        print(f"\n=== {number} of {len(review.items)}: {reviewing.safe(item.id)} ({reviewing.safe(item.stratum)})")
        for head, text in item.texts:
            print(f"--- {head}\n{reviewing.safe(text)}")
        answer = _key()
        if answer is None:
            return
        opinions[item.id] = answer
        write_metrics(reviewing.document(review, opinions), output)


def _key() -> str | None:
    """One of the opinions, or None at q or at the end of the input."""
    while True:
        print("[y]es, [n]o, [u]nsure, [q]uit? ", end="", flush=True)
        line = sys.stdin.readline()
        answer = line.strip().lower()[:1]
        if not line or answer == "q":
            return None
        if answer in reviewing.KEYS:
            return reviewing.KEYS[answer]


if __name__ == "__main__":
    running.run(main, is_stage=False)
