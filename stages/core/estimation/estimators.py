"""Estimators of what a student can do, from the samples of one problem."""

from math import comb


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float | None:
    """The chance that at least one of k samples is right, drawn without replacement from those of one problem.

    The unbiased estimator 1 - C(n - c, k) / C(n, k) of Chen et al. (2021), "Evaluating Large Language Models Trained on
    Code"; None with fewer than k samples, from which it cannot be estimated.

    Raises:
        ValueError: k below 1, or not 0 <= num_correct <= num_samples.
    """
    if k < 1 or not 0 <= num_correct <= num_samples:
        raise ValueError(f"pass@k needs k >= 1 and 0 <= correct <= samples, not k={k}, {num_correct} of {num_samples}")
    if num_samples < k:
        return None
    return 1.0 - comb(num_samples - num_correct, k) / comb(num_samples, k)
