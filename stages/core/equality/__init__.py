"""Whether two answers are equal, cheapest tier first. Nothing else imports sympy, mpmath or math_verify."""
