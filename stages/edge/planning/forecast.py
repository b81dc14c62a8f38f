"""A profile's plan: its settings and what is known of its stages, handed to `core/planning`."""

from collections.abc import Iterable, Mapping

from stages.core.planning import planning, priors
from stages.core.planning.planning import Basis, Figure, Queries, Speed, Work
from stages.core.planning.priors import Prior
from stages.core.problems import arithmetic
from stages.core.training import keeping
from stages.edge import params
from stages.edge.errors import SettingError
from stages.edge.planning.evidence import AnswerStats, Evidence
from stages.edge.training import resuming

BYTES_IN_BFLOAT16, BYTES_IN_FLOAT32 = 2, 4


class Forecast:
    """The work of each stage of a profile. Measured values go before published ones, the user's before both."""

    def __init__(
        self, settings: params.Profile, graph: params.Graph, evidence: Evidence, assumed: Mapping[str, float]
    ) -> None:
        """`assumed` are the values of `--assume`, by key."""
        self._settings, self._graph, self._evidence, self._assumed = settings, graph, evidence, assumed
        self._keys: set[str] = set()

    def works(self, names: Iterable[str]) -> dict[str, Work]:
        """The work of the stages `names`.

        Raises:
            SettingError: something was assumed that none of them needs.
        """
        works = {name: self._work(name) for name in names}
        if strangers := self._assumed.keys() - self._keys:
            raise SettingError(
                f"--assume {min(strangers)}: no stage of this profile needs it; the keys are "
                f"{', '.join(sorted(self._keys))}"
            )
        return works

    def _work(self, name: str) -> Work:
        verb, _, key = name.partition("@")
        method = {
            "base": self._base, "collect": self._collect, "teach": self._teach, "vote": self._vote,
            "judge": self._judge, "curate": self._curate, "train": self._train, "choose": self._choose,
            "exam": self._exam,
            "baselines": self._baselines, "mark": self._mark,
        }.get(verb)  # fmt: skip
        return method(key) if method else Work()

    def _figure(self, key: str, measured: float | None, prior: Prior | None) -> Figure:
        """The value of `--assume` for `key`, else the measured one, else the published one."""
        self._keys.add(key)
        if key in self._assumed:
            return Figure(self._assumed[key], Basis.ASSUMED)
        if measured is not None:
            return Figure(measured, Basis.MEASURED)
        return planning.unknown(key) if prior is None else _prior(key, prior)

    def _speed(self, key: str, rate: priors.Rate | None) -> Speed:
        prior = Prior(rate.value, f"tokens a second on one {rate.device}: {rate.source}") if rate else None
        known = self._figure(key, None, prior)
        return Speed(known, rate.is_gpu if rate else self._settings.base.kind != "package")

    # -- what is asked

    def _problems(self) -> Figure:
        """Problems to train on."""
        measured = self._evidence.metrics.get("collect", {}).get("num_problems")
        sources = [self._of_source(source) for source in self._settings.collect.sources]
        every = planning.total(sources)
        if measured is not None or not every.is_known or "problems" in self._assumed:
            return self._figure("problems", measured, None)
        self._keys.add("problems")
        return every

    def _of_source(self, source: params.Source) -> Figure:
        if source.kind == "generated":
            numbers = self._settings.collect.generator
            return Figure(len(arithmetic.pairs(**numbers.model_dump(), split=source.split)))
        known = priors.PROBLEMS.get(source.dataset) if source.kind == "hub" else None
        return _prior(source.name, known) if known else planning.unknown("problems")

    def _questions(self) -> Figure:
        return Figure(sum(each.num_problems for each in self._settings.collect.benchmarks))

    def _weights(self, model: str) -> str:
        """The name under which a model's rates are known."""
        name = self._settings.base.name if model in self._graph.chain else model
        return priors.LIKE.get(name, name)

    def _writing(self, model: str) -> Speed:
        gpus = self._settings.runtime.engine.tensor_parallel_size
        return self._speed(f"rate.{model}", priors.WRITING.get((self._weights(model), gpus)))

    def _prompt(self, stage: str, measured: AnswerStats | None, has_examples: bool) -> Figure:
        prior = None if has_examples else priors.PROMPT
        return self._figure(f"prompt.{stage}", measured and measured.prompt, prior)

    def _teach(self, effort: str) -> Work:
        stage, teach, prompt = f"teach@{effort}", self._settings.teach.by_effort[effort], self._settings.prompts[effort]
        asked = []
        for model in self._settings.teach.models_of(effort):
            stored = self._evidence.stored.get(stage, {}).get(model.label)
            measured = self._evidence.answers.get(stage, {}).get((model.label, effort)) or stored
            prior = priors.WRITTEN.get((model.name, prompt.reasoning_effort or ""))
            most = teach.max_tokens_when_cut_off or teach.sampling.max_tokens
            written = self._figure(f"tokens.{stage}", measured and measured.written, prior)
            basis = Basis.BOUND if teach.adaptive else Basis.SETTING
            asked.append(
                Queries(
                    self._problems(),
                    Figure(teach.num_samples, basis),
                    self._prompt(stage, measured, bool(prompt.examples)),
                    planning.capped(written, most),
                    self._writing(model.name),
                    stored.num if stored else 0,
                )
            )
        return planning.asking(asked, self._bytes_per_token())

    def _exam(self, student: str) -> Work:
        exam = self._settings.exam
        most = exam.max_tokens(student)
        measured = self._evidence.answers.get(f"exam@{student}", {}).get((student, None))
        asked = self._sitting(f"exam@{student}", measured, None, most, "base", has_examples=False)
        return planning.asking([asked], self._bytes_per_token())

    def _baselines(self, _: str) -> Work:
        wanted, every = self._settings.examine, self._settings.baselines
        most = self._settings.exam.protocol.sampling.max_tokens
        asked = []
        for each in (each for each in every if "all" in wanted or each.name in wanted):
            for effort in each.efforts or [""]:
                prompt = self._settings.prompts[effort] if effort else None
                measured = self._evidence.answers.get("baselines", {}).get((each.name, effort or None))
                prior = priors.WRITTEN_IN_EXAMS.get((each.model.name, (prompt and prompt.reasoning_effort) or ""))
                stage = "/".join(["baselines", each.name, *([effort] if effort else [])])
                asked.append(
                    self._sitting(stage, measured, prior, most, each.model.name, bool(prompt and prompt.examples))
                )
        return planning.asking(asked, self._bytes_per_token())

    def _sitting(
        self, stage: str, measured: AnswerStats | None, prior: Prior | None, most: int, model: str, has_examples: bool
    ) -> Queries:
        written = self._figure(f"tokens.{stage}", measured and measured.written, prior)
        protocol = self._settings.exam.protocol
        return Queries(
            self._questions(),
            Figure(protocol.until.max_samples, Basis.BOUND) if protocol.until else Figure(protocol.num_samples),
            self._prompt(stage, measured, has_examples),
            planning.capped(written, most),
            self._writing(model),
            0,
        )

    # -- what is computed

    def _base(self, _: str) -> Work:
        in_hub = self._settings.base.kind == "hub"
        size = Figure(BYTES_IN_BFLOAT16 if in_hub else BYTES_IN_FLOAT32)
        return Work(outs_bytes=planning.product(self._parameters(), size))

    def _collect(self, _: str) -> Work:
        hours = planning.hours(self._problems(), self._rate("collect", priors.COLLECTED))
        return Work(problems=self._problems(), machine_hours=hours)

    def _rate(self, verb: str, prior: Prior) -> Figure:
        return self._figure(f"rate.{verb}", None, prior)

    def _vote(self, effort: str) -> Work:
        answers = self._answers(effort)
        return Work(samples=answers, machine_hours=planning.hours(answers, self._rate("vote", priors.VOTED)))

    def _judge(self, effort: str) -> Work:
        return self._judged(self._answers(effort))

    def _mark(self, student: str) -> Work:
        sat = self._baselines("") if student == "baselines" else self._exam(student)
        return self._judged(sat.samples or Figure(0))

    def _judged(self, answers: Figure) -> Work:
        hours = planning.hours(answers, self._rate("judge", priors.JUDGED))
        work = Work(samples=answers, machine_hours=hours)
        if self._settings.judge.llm is None:
            return work
        # How many pairs algebra leaves undecided is only known once it has tried.
        return work._replace(gpu_hours=self._figure("hours.judge", None, None))

    def _answers(self, effort: str) -> Figure:
        """Answers at an effort, or of a pool."""
        return planning.total(self._teach(each).samples or Figure(0) for each in self._graph.members(effort))

    def _curate(self, stage: str) -> Work:
        curate = self._settings.curate[stage]
        rows, tokens = self._rows(stage)
        taken = planning.product(rows, tokens)
        read = taken if curate.published else self._written(stage)
        hours = planning.hours(read, self._rate("curate", priors.CURATED))
        size = planning.product(taken, self._bytes_per_token())
        return Work(samples=rows, tokens=taken, machine_hours=hours, outs_bytes=size)

    def _rows(self, stage: str) -> tuple[Figure, Figure]:
        """Rows that a stage trains on, and their mean tokens."""
        curate = self._settings.curate[stage]
        metrics = self._evidence.metrics.get(f"curate@{stage}", {})
        mean = metrics["num_tokens"] / metrics["num_rows"] if metrics.get("num_rows") else None
        if curate.published:
            source = curate.published
            rows = self._figure(
                f"rows.{stage}", metrics.get("num_rows"), priors.PUBLISHED_ROWS.get((source.dataset, source.split))
            )
            prior = priors.WRITTEN.get(("openai/gpt-oss-120b", source.split))
            tokens = self._figure(f"tokens.curate@{stage}", mean, prior)
        else:
            rows, tokens = self._kept(stage, metrics), self._row_tokens(stage, mean)
        tokens = planning.capped(tokens, curate.filters.max_tokens)
        if curate.target.num_rows is not None:
            rows = planning.capped(rows, curate.target.num_rows)
        if curate.target.num_tokens is not None and tokens.value:
            rows = planning.capped(rows, curate.target.num_tokens / tokens.value)
        return rows, tokens

    def _kept(self, stage: str, metrics: Mapping[str, float]) -> Figure:
        curate = self._settings.curate[stage]
        answers = {effort: self._answers(effort) for effort in curate.mixture}
        if metrics.get("num_traces"):
            share = self._figure(f"kept.{stage}", metrics["num_rows"] / metrics["num_traces"], None)
            return planning.product(planning.total(answers.values()), share)
        prompts = self._settings.prompts
        kept = {
            effort: self._figure(f"kept.{stage}", None, priors.KEPT_SHARE.get(prompts[effort].reasoning_effort or ""))
            for effort in curate.mixture
        }
        num_models = max(len(self._settings.teach.models_of(effort)) for effort in curate.mixture)
        most = planning.product(self._problems(), Figure(curate.max_per_problem * num_models))
        return planning.rows(answers, kept, curate.mixture, most)

    def _row_tokens(self, stage: str, mean: float | None) -> Figure:
        """A row is a problem and an answer: as long as the teacher's, prompt included, where no row was counted."""
        key = f"tokens.curate@{stage}"
        if mean is not None or key in self._assumed:
            return self._figure(key, mean, None)
        self._keys.add(key)
        answers = planning.total(self._answers(effort) for effort in self._settings.curate[stage].mixture)
        each = planning.quotient(self._written(stage), answers)
        return planning.total([each, _prior("prompt", priors.PROMPT)])

    def _written(self, stage: str) -> Figure:
        """Tokens of all answers that a stage's rows are chosen from."""
        efforts = self._settings.curate[stage].mixture
        return planning.total(self._teach(effort).all_tokens or Figure(0) for effort in efforts)

    def _train(self, stage: str) -> Work:
        train, runtime = self._settings.train[stage], self._settings.runtime
        rows, tokens = self._rows(stage)
        rate = priors.TRAINING.get(self._weights("base"))
        if rate and rate.is_gpu and not runtime.compile:
            rate = None  # measured with fused layers only
        num_candidates = keeping.num_candidates(train.keep, train.num_checkpoints)
        copies = resuming.copies_of_weights(num_candidates)
        return planning.training(
            rows,
            tokens,
            train.epochs,
            train.batch_size,
            self._speed("rate.train", rate),
            self._parameters(),
            num_candidates * _bytes_per_weight(train),
            planning.Checkpoints(resuming.BYTES_PER_TOKEN, resuming.BYTES_PER_WEIGHT, copies),
        )

    def _choose(self, stage: str) -> Work:
        size = Figure(_bytes_per_weight(self._settings.train[stage]))
        return Work(outs_bytes=planning.product(self._parameters(), size))

    def _parameters(self) -> Figure:
        return self._figure("parameters", self._evidence.parameters, priors.PARAMETERS.get(self._settings.base.name))

    def _bytes_per_token(self) -> Figure:
        return _prior("disk", priors.PARQUET_BYTES_PER_TOKEN)


def _bytes_per_weight(train: params.Train) -> int:
    return BYTES_IN_BFLOAT16 if train.bf16 else BYTES_IN_FLOAT32


def _prior(key: str, prior: Prior) -> Figure:
    return Figure(prior.value, Basis.PRIOR, (planning.Source(key, prior.value, prior.source),))
