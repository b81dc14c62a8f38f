"""Which of a training's candidates becomes the student, and what its card says."""
