"""A student answers every benchmark, without examples -> traces.

python -m stages.exam --student turbo --benchmarks data/benchmarks.parquet --model models/turbo \
    --output data/exams/turbo

With `--preview 20` it asks one sample of 20 questions, shows prompts, answers and the projected time, and ends.
"""

from stages.core.sampling import queries
from stages.edge import params
from stages.edge.asking import exams, jobs, stage
from stages.edge.cli import running
from stages.edge.engines import endpoints
from stages.edge.errors import SettingError
from stages.edge.files import tables
from stages.edge.models import weights


def main() -> None:
    """Ask the student by the protocol, with the student's own departures from it."""
    args = stage.arguments(__doc__, "benchmarks", "model", item="student")
    protocol = params.load_part(params.Asked, "exam.protocol")
    prompt = params.load(params.Prompt, "exam.prompt")
    override = params.load(params.Override, f"exam.overrides.{args.student}")
    changed = {key: value for key, value in override if value is not None}
    sampling = protocol.sampling.model_copy(update=changed)
    questions = tables.read(args.benchmarks, queries.BENCHMARKS_IN)
    positions = weights.positions(args.model)
    if positions is not None and sampling.max_tokens >= positions:
        raise SettingError(
            f"params.yaml: exam: {args.student} may write {sampling.max_tokens} tokens, but its weights are for "
            f"{positions} positions: lower exam.overrides.{args.student}.max_tokens, or set max_positions in train"
        )
    served = endpoints.from_folder("student", args.student, args.model, protocol.dtype, None, protocol.reasoning_parser)
    job = jobs.made(args.student, None, "exam", served, questions, prompt, sampling, protocol.num_samples)
    settings = protocol.model_dump() | prompt.model_dump() | changed
    ask = exams.ask_function(protocol.until, args.benchmarks)
    stage.run(f"exam@{args.student}", settings, [(served, [job])], args.output, args.preview, ask)


if __name__ == "__main__":
    running.run(main)
