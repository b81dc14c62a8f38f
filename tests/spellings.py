"""Answers of every kind, and the ways in which one integer is written."""

INTEGER_STYLES = [
    "{}", "+{}", "0{}", "{}.0", "{}.", "${}$", r"\({}\)", r"\text{{{}}}", r"\mathbf{{{}}}", r"\boxed{{{}}}", " {} ",
    "({})", "{{{}}}", r"\,{}\,", r"{}\ ", r"\left({}\right)", r"\frac{{{}}}{{1}}", r"x={}", "{},",
]  # fmt: skip

THOUSANDS_STYLES = ["{:,}", "{:,}.0", "${:,}$"]

ANSWERS = [
    "5", "-3", "1,234", r"\frac{3}{4}", r"2\frac{1}{2}", "0.125", r"50\%", r"10\text{ cm}", r"60^\circ", r"\$10",
    r"3\sqrt{2}", r"2\pi", "x^2+1", r"\frac{a+b}{2}", "(1,2)", r"\{1,2\}", "1, 2", "[0,1)", r"(-\infty,3]", "x=5",
    "y=2x+1", "x=1, y=2", r"0\le x\le 1", r"\pm 2", "B", "(B)", "no solution", r"\text{Alice and Bob}", "1:2", "101_2",
    r"\begin{pmatrix}1\\2\end{pmatrix}", r"1+\sqrt{3}", "i", r"\emptyset", "2^{1000}", r"p=1,q=2;p=3,q=4", "",
]  # fmt: skip
