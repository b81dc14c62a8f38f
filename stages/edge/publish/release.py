"""Trained students as Hugging Face model folders: weights, tokenizer, template, card and results, from a finished run.

Everything is found through dvc.lock, whose records must agree with one another and the files here. With `--push` the
folders also go to the hub, as private models, with the token in HF_TOKEN. Results stand twice, as the hub wants them:
all in the card's `model-index`, and those on a data set that the hub knows as a benchmark in `.eval_results/`
(https://huggingface.co/docs/hub/eval-results).
"""

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core.publishing import model_card
from stages.core.publishing.markdown import escaped
from stages.core.publishing.model_card import Checkpoint, ExamResults, Teaching, TrainingStage
from stages.edge import track
from stages.edge.errors import InputError, SettingError
from stages.edge.files import answered_by, state
from stages.edge.models import weights
from stages.edge.publish import hub_results, upload
from stages.edge.publish.hub_results import Task
from stages.edge.publish.record import RunRecord

PUBLISHED = (*weights.IDENTITY_FILES, "LICENSE*")
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens")


def options(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--output", type=Path, required=True, help="folder to write a folder a student into; a new one")
    parser.add_argument("--student", nargs="+", help="names of SFT stages; all of them without it")
    parser.add_argument("--push", metavar="OWNER/NAME", help="-STUDENT is added where there are several")
    parser.add_argument("--license", help="as the hub names it; the base's own without it")
    parser.add_argument("--base-model", metavar="OWNER/NAME", help="on the hub, where params.yaml does not name it")
    parser.add_argument(
        "--dataset", metavar="OWNER/NAME", nargs="+", default=[], help="on the hub: the published SFT sets"
    )
    parser.add_argument("--benchmark", metavar="NAME=OWNER/DATASET:TASK", nargs="+", default=[], type=_task)


def _task(text: str) -> tuple[str, Task]:
    name, _, rest = text.partition("=")
    dataset, _, task = rest.partition(":")
    if not (name and task and dataset.count("/") == 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=OWNER/DATASET:TASK")
    return name, Task(dataset, None, task)


def release(args: argparse.Namespace) -> None:
    """Write trained students as Hugging Face models, with a card and results; push them if asked to."""
    if args.push:
        _check_push(args.push)
    record = RunRecord(Path.cwd())
    trained = record.names("train")
    if not trained:
        raise InputError("dvc.lock names no student that was trained: run `dvc repro`")
    students = list(dict.fromkeys(args.student or trained))
    if strangers := [student for student in students if student not in trained]:
        raise SettingError(f"--student {strangers[0]}: was not trained; name one of {', '.join(trained)}")
    record.check([*(f"choose@{student}" for student in students), "report"])
    _fill_in(args, record.settings("base")["base"])
    with upload.whole(args.output) as partial:
        for student in students:
            _write(partial / student, record, student, _repository(args, students, student), args)
    for student in students:
        folder = args.output / student
        print(f"written to {folder}: transformers.AutoModelForCausalLM.from_pretrained({str(folder)!r})")
        if args.push:
            print(f"pushed to {upload.push(folder, _repository(args, students, student), 'model')}")


def _fill_in(args: argparse.Namespace, base: Mapping[str, Any]) -> None:
    """Fill in options from the base's settings; print which stay unknown."""
    args.license = args.license or _license(base)
    args.base_model = args.base_model or (base["name"] if base["kind"] == "hub" else None)
    for name, value, option in (("licence", args.license, "--license"), ("base", args.base_model, "--base-model")):
        if not value:
            print(f"the {name} is not known by a name of the hub; give it with {option}", file=sys.stderr)


def _check_push(name: str) -> None:
    """Check before any work that there is a token, and that the hub accepts the name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    upload.token()
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise SettingError(f"--push {name}: {error}; name it OWNER/NAME") from error


def _repository(args: argparse.Namespace, students: list[str], student: str) -> str:
    """Its name on the hub, or that of its folder."""
    base = args.push or args.output.name
    return base if args.push and len(students) == 1 else f"{base}-{student}"


def _write(folder: Path, record: RunRecord, student: str, repository: str, args: argparse.Namespace) -> None:
    from huggingface_hub import ModelCard, ModelCardData

    model = _checkpoint(record, student, repository.rpartition("/")[2], args.base_model)
    copy_model(record.model(f"choose@{student}"), folder)
    data = ModelCardData(
        license=args.license,
        base_model=args.base_model,
        datasets=[*args.dataset, *_datasets(record, model)] or None,
        tags=["math", "reasoning", "distillation", "sft", "reasonlite-dvc"],
        library_name="transformers",
        pipeline_tag="text-generation",
        model_name=model.title,
        eval_results=hub_results.index(model, record),
    )
    ModelCard(f"---\n{data.to_yaml()}\n---\n{model_card.body(model)}").save(folder / "README.md")
    hub_results.write(folder, model, record, dict(args.benchmark), repository if args.push else None)


def copy_model(source: Path, folder: Path) -> None:
    """Copies of the files that make the model: an edit of a released one must not reach the out, or DVC's cache."""
    folder.mkdir(parents=True)
    for file in sorted({file for pattern in PUBLISHED for file in source.glob(pattern)}):
        shutil.copyfile(file, folder / file.name)


def _checkpoint(record: RunRecord, student: str, title: str, base_model: str | None) -> Checkpoint:
    chosen: str | None = f"choose@{student}"
    path: list[str] = []
    while chosen:
        path.insert(0, chosen.partition("@")[2])
        chosen = record.before(f"train@{path[0]}", "choose")
    trained = [_training(record, each) for each in path]
    base, now = record.settings("base")["base"], state.current(Path.cwd())
    base_name = base_model or " of ".join(filter(None, (base["file"], base["name"])))
    identity = weights.identity(record.model(f"choose@{student}"))
    stages = [f"{verb}@{name}" for name in path for verb in ("curate", "train", "choose")]
    all_hashes = record.hashes(["base", *stages, "report"])
    hashes = {out: md5 for out, md5 in all_hashes.items() if Path(out).suffix in ("", ".json", ".parquet")}
    card_record = model_card.Provenance(now.commit, now.dirty, identity, _run(identity), hashes)
    return Checkpoint(
        title,
        student,
        base_name,
        trained,
        _teaching(record, trained, base_name),
        {each["name"]: _source_text(each, record) for each in record.settings("collect")["collect"]["sources"]},
        _exam(record, student),
        card_record,
    )


def _training(record: RunRecord, name: str) -> TrainingStage:
    settings = {**record.settings(f"choose@{name}"), **record.settings(f"train@{name}")}
    section = f"train.{name}."
    own = {key.removeprefix(section): value for key, value in settings.items() if key.startswith(section)}
    counted = record.document(f"train@{name}", "num_steps") | record.document(f"choose@{name}", "kept_steps")
    return TrainingStage(name, own, counted, record.document(f"curate@{name}", "num_rows"))


def _teaching(record: RunRecord, trained: list[TrainingStage], base: str) -> list[Teaching]:
    """The efforts whose traces were learnt from, in that order. `base` is the name of what teaches as `base`."""
    teachings = []
    for each in trained:
        curated = record.settings(f"curate@{each.name}")[f"curate.{each.name}"]
        for effort in [] if curated["published"] else curated["mixture"]:
            settings = record.settings(f"teach@{effort}")
            asked = {**settings.get(f"prompts.{effort}", {}), **settings[f"teach.{effort}"]}
            servers = _servers(record, effort)
            for model in asked.pop("models", None) or settings["teach.models"]:
                name = base if model["name"] == "base" else model["name"]
                teaching = Teaching(effort, name, model["revision"], asked, servers)
                teachings += [teaching] if teaching not in teachings else []
    return teachings


def _servers(record: RunRecord, effort: str) -> dict[str, int]:
    """Answers of each server at an effort; none where the traces are not here, which a release does not need."""
    try:
        return answered_by.read(record.model(f"teach@{effort}"))
    except (InputError, OSError, ValueError):
        return {}


def _exam(record: RunRecord, student: str) -> ExamResults:
    settings = record.settings(f"exam@{student}")
    # The stage lists the protocol key by key, without what decides no answer; the report lists it whole.
    protocol = settings.get("exam.protocol") or record.settings("report")["exam.protocol"]
    prompt = settings["exam.prompt"]
    changed = {key: value for key, value in settings[f"exam.overrides.{student}"].items() if value is not None}
    sampling = {**protocol["sampling"], **changed}
    numbers = record.document("report", student)
    means = record.document("report", "mean")["mean"]
    counts = (protocol["num_samples"], protocol.get("until") is not None, protocol["pass_k"])
    ordered = {key: sampling[key] for key in SAMPLING}
    asked = (*counts, prompt["system"], prompt["suffix"], ordered)
    return ExamResults(*asked, numbers, means, protocol.get("answer_before_cut", True))


def _source_text(source: Mapping[str, Any], record: RunRecord) -> str:
    """Markdown that names a source of problems."""
    if source["kind"] == "hub":
        commit = hub_results.commit(source, record)
        return escaped(source["dataset"]) + (f" at {escaped(commit)}" if commit else "")
    return "generated" if source["kind"] == "generated" else "files"


def _datasets(record: RunRecord, model: Checkpoint) -> list[str]:
    """Hub data sets that the problems, or published SFT sets, are from."""
    taken = [record.settings(f"curate@{each.name}")[f"curate.{each.name}"]["published"] for each in model.stages]
    sources = record.settings("collect")["collect"]["sources"]
    named = [each["dataset"] for each in [*filter(None, taken), *(s for s in sources if s["kind"] == "hub")]]
    return list(dict.fromkeys(named))


def _license(base: Mapping[str, Any]) -> str | None:
    """The base's licence as stated on its card or in its GGUF."""
    if base["kind"] == "hub":
        from huggingface_hub import HfApi

        try:
            card = HfApi().model_info(base["name"], revision=base["revision"]).card_data
        except upload.failures():
            return None
        return card.get("license") if card else None
    spec = importlib.util.find_spec(base["name"]) if base["kind"] == "package" else None
    if spec is None or spec.origin is None:
        return None
    from gguf import GGUFReader

    field = GGUFReader(Path(spec.origin).parent / base["file"]).fields.get("general.license")
    return None if field is None else str(field.contents())


def _run(identity: str) -> str | None:
    """MLflow's id of the run that trained these weights, where tracking has one."""
    uri = track.destination()
    if uri is None or (uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file()):
        return None
    for name, value in track.CLIENT_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        client = MlflowClient(tracking_uri=uri)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        wanted = f"tags.identity = '{identity}' and tags.`dvc.stage` LIKE 'choose@%'"
        runs = client.search_runs(experiments, wanted, order_by=["attributes.start_time DESC"], max_results=1)
    except (MlflowException, OSError) as error:
        print(f"warning: tracking: {type(error).__name__}; the card names no run", file=sys.stderr)
        return None
    return runs[0].info.run_id if runs else None
