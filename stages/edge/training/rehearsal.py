"""The largest forward and backward pass of a run, tried before its first step."""

import torch
from transformers import PreTrainedModel
from trl import SFTConfig

from stages.core.training import student
from stages.core.training.batches import Steps

ROWS_TO_FILL = 4_096
"""The longest and the shortest rows, of which the largest forward pass is put together."""


def rehearse(model: PreTrainedModel, steps: Steps, arguments: SFTConfig) -> None:
    """Run the largest forward and backward pass of the first epoch, so that a lack of memory shows at once.

    Raises torch.OutOfMemoryError, also where the optimiser's two moments do not fit beside it.
    """
    device = arguments.device
    if device.type == "cpu":
        return  # without memory to spare the kernel ends the process, and says nothing
    batch = steps.micro_batch(largest(steps))
    model.to(device)
    model.train()
    if arguments.gradient_checkpointing:
        model.gradient_checkpointing_enable(arguments.gradient_checkpointing_kwargs)
    inputs = student.on_device(batch, model, device)
    moments = [torch.empty(2 * each.numel(), device=device) for each in model.parameters()]
    with torch.autocast(device.type, torch.bfloat16, enabled=arguments.bf16):
        hidden = model.get_decoder()(
            **{name: each for name, each in inputs.items() if name != "labels"}, use_cache=False
        )[0]
    hidden.float().mean().backward()
    del moments, hidden
    model.zero_grad(set_to_none=True)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def largest(steps: Steps) -> list[int]:
    """Rows that fill a forward pass as far as any can: the longest first, then each that still fits."""
    lengths, limit = steps.traces.lengths, steps.limit
    max_rows = limit.rows or len(lengths)
    if limit.padded:
        longest = int(lengths.argmax())
        return [longest] * min(max_rows, limit.tokens // int(lengths[longest]), steps.plan.batch_size)
    rows: list[int] = []
    room = limit.tokens
    for row in lengths.argsort()[::-1][:ROWS_TO_FILL].tolist() + lengths.argsort()[:ROWS_TO_FILL].tolist():
        if lengths[row] <= room and len(rows) < max_rows and row not in rows:
            rows.append(row)
            room -= int(lengths[row])
    return rows
