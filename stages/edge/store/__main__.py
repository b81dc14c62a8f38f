"""Maintenance of the answer store.

python -m stages.edge.store show
python -m stages.edge.store verify
python -m stages.edge.store export answers/ --model teacher-1a2b3c
python -m stages.edge.store sync s3://bucket/answers        # both ways; --push or --pull for one
python -m stages.edge.store prune                           # what no dvc.lock of any branch, tag or experiment uses
"""

from pathlib import Path

from stages.edge import store
from stages.edge.cli import running
from stages.edge.errors import InputError
from stages.edge.store import keeping, sync

MIB = 2**20


def main() -> None:
    """Show, verify, export, sync or prune."""
    parser = running.parser(__doc__, prog="python -m stages.edge.store")
    verbs = parser.add_subparsers(dest="verb")
    verbs.add_parser("show", help="answers and bytes of each model, and which servers answered")
    verbs.add_parser("verify", help="check every file and answer")
    command = verbs.add_parser("export", help="write answers as Parquet")
    command.add_argument("folder", type=Path)
    command.add_argument("--model", help="a name that `show` lists; all without it")
    command = verbs.add_parser("sync", help="bring the store and a copy elsewhere together")
    command.add_argument("url", help="a folder or any fsspec URL, such as s3://bucket/answers")
    one_way = command.add_mutually_exclusive_group()
    one_way.add_argument("--push", action="store_true", help="only from here to there")
    one_way.add_argument("--pull", action="store_true", help="only from there to here")
    command = verbs.add_parser("prune", help="drop answers that no dvc.lock of any branch, tag or experiment uses")
    command.add_argument("--ignore-missing", action="store_true", help="take traces that DVC cannot read as unused")
    command.add_argument(
        "--keep-days", type=float, default=7.0, help="spare younger answers, which a run may still need (default: 7)"
    )
    args = parser.parse_args()
    if args.verb == "verify":
        damaged = 0
        for path, defect in keeping.verify():
            print(f"{path}: {defect or 'whole'}")
            damaged += defect is not None
        if damaged:
            raise InputError(f"{damaged} damaged files; move them away, then bring copies back with sync or ask again")
    elif args.verb == "export":
        print(f"{keeping.export(args.folder, args.model)} answers written to {args.folder}")
    elif args.verb == "sync":
        done = sync.sync(args.url, push=not args.pull, pull=not args.push)
        print(f"{len(done.pushed)} segments pushed, {len(done.pulled)} pulled")
        for path in done.busy:
            print(f"{path} is being written: its answers stay here until the next sync")
    elif args.verb == "prune":
        from stages.edge.store import pruning  # which knows the judge and the engines, and takes a second

        pruned = pruning.prune(pruning.used_keys(Path.cwd(), args.ignore_missing), args.keep_days)
        for name in pruned.busy:
            print(f"{name} is being written: nothing of it was looked at")
        print(f"{pruned.num_dropped} answers dropped, {pruned.num_kept} kept, {pruned.num_bytes / MIB:.1f} MiB freed")
    else:
        show()


def show() -> None:
    """Print the holdings as a table."""
    holdings = keeping.holdings()
    print(store.root())
    for each in holdings:
        print(
            f"  {each.model:<32} {each.part:<12} {each.num_answers:>10,} answers {each.num_bytes / MIB:>10.1f} MiB "
            f"{each.num_segments:>4} segments"
        )
    for each in holdings:
        if len(each.servers) > 1:
            print(f"  {each.model}, {each.part}: answered by {', '.join(each.servers)}: versions are mixed")
        elif each.servers:
            print(f"  {each.model}, {each.part}: answered by {each.servers[0]}")
    answers, size = sum(each.num_answers for each in holdings), sum(each.num_bytes for each in holdings)
    print(f"  {'all':<45} {answers:>10,} answers {size / MIB:>10.1f} MiB")


if __name__ == "__main__":
    running.run(main, is_stage=False)
