"""SFT stages."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.edge.params.models import Sampling
from stages.edge.params.section import Count, Dtype, Positive, Samples, Section, Share


class CheckpointExam(Section):
    """How checkpoints are examined on the problems that curate set apart."""

    num_samples: Samples
    pass_k: Count
    dtype: Dtype
    reasoning_parser: str | None
    sampling: Sampling

    @model_validator(mode="after")
    def _enough_samples(self) -> "CheckpointExam":
        if self.pass_k > self.num_samples:
            raise ValueError(f"pass_k {self.pass_k} needs as many samples, and num_samples is {self.num_samples}")
        return self


Keep = Literal["last", "best_loss", "best_avg", "best_pass", "average"]


class Training(Section):
    """What decides the weights of an SFT stage's candidates."""

    learning_rate: Positive
    min_lr_ratio: Share
    """The cosine ends at this share of the peak."""
    warmup_ratio: Share
    epochs: Count
    batch_size: Count
    """Traces per optimiser step, over all devices."""
    max_grad_norm: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    max_positions: Count | None
    """Positions in the student's configuration, in place of its own number; null: unchanged."""
    bf16: bool
    held_out_every: Count | None
    """Steps between measurements of the loss on held-out rows; there is one after the last step too. null: none."""
    keep: Keep
    """Which weights the stage hands on: those of the last step, those with the lowest held-out loss, or of those at the
    last `num_checkpoints` measurements the ones with the best avg or pass@k in `checkpoint_exam`, or their mean."""
    num_checkpoints: Count
    seed: int

    @model_validator(mode="after")
    def _keep_needs_measurements(self) -> "Training":
        if self.keep != "last" and self.held_out_every is None:
            raise ValueError(f"keep: {self.keep} is for the weights at measurements: set held_out_every")
        return self


class Choice(Section):
    """What decides which of the candidates becomes the student, or their mean."""

    keep: Keep
    checkpoint_exam: CheckpointExam | None

    @property
    def is_examined(self) -> bool:
        """Whether the candidates sit an exam."""
        return self.keep in ("best_avg", "best_pass")

    @model_validator(mode="after")
    def _exam_needs_settings(self) -> "Choice":
        if self.is_examined and self.checkpoint_exam is None:
            raise ValueError(f"keep: {self.keep} goes by an exam: set checkpoint_exam")
        return self


class Train(Training, Choice):
    """One SFT stage."""

    max_length: Count
    """Tokens; a longer row is an error here (curate drops them)."""
