"""Other models answer every benchmark -> traces. Nothing is asked when params.yaml lists none.

python -m stages.baselines --benchmarks data/benchmarks.parquet --base models/base --output data/exams/baselines

With `--preview 20` it asks each model one sample of 20 questions, shows prompts, answers and the projected time.
"""

from stages.core.sampling import queries
from stages.edge import params
from stages.edge.asking import exams, jobs, stage
from stages.edge.cli import running
from stages.edge.engines import endpoints
from stages.edge.errors import SettingError
from stages.edge.files import tables


def main() -> None:
    """The same exam for the models that params.yaml lists; at an effort, they are asked with the teacher's prompt."""
    args = stage.arguments(__doc__, "benchmarks", "base")
    protocol = params.load_part(params.Asked, "exam.protocol")
    prompt = params.load(params.Prompt, "exam.prompt")
    wanted = params.load(list[str], "examine")
    every = params.load(list[params.Baseline], "baselines")
    if unknown := set(wanted) - {"all", *(each.name for each in every)}:
        raise SettingError(f"params.yaml: examine names {min(unknown)!r}, which is none of `baselines`")
    listed = [each for each in every if "all" in wanted or each.name in wanted]
    questions = tables.read(args.benchmarks, queries.BENCHMARKS_IN)
    work = []
    for baseline in listed:
        served = endpoints.from_settings("baseline", baseline.name, baseline.model, args.base)
        prompts: list[tuple[str | None, params.TeacherPrompt | params.Prompt]] = [
            (effort, params.load(params.TeacherPrompt, f"prompts.{effort}")) for effort in baseline.efforts
        ]
        model_jobs = [
            jobs.made(
                baseline.name, effort, f"exam-{effort or 'plain'}", served, questions, each,
                protocol.sampling, protocol.num_samples,
            )
            for effort, each in prompts or [(None, prompt)]
        ]  # fmt: skip
        work.append((served, model_jobs))
    settings = {
        "protocol": protocol.model_dump(),
        "prompt": prompt.model_dump(),
        "baselines": [each.name for each in listed],
    }
    ask = exams.ask_function(protocol.until, args.benchmarks)
    stage.run("baselines", settings, work, args.output, args.preview, ask)


if __name__ == "__main__":
    running.run(main)
