"""Texts that hang, crash or blow up computer algebra, parsers or regular expressions, in families."""

BIG = 10**6

TOWERS = [
    "10^{10^{10}}", "9**9**9**9", "9^{9^{9^9}}", "2^{2^{2^{2^{2^2}}}}", "3^{10^8}-1", "99999999^{99999999}", "7^{7^{10}}",
    "2^{10^{10}}", "(2^{100})^{(2^{100})}", "x^{x^{x^{x^{x}}}}", "x^{10^{10}}", "(x+1)^{3000}", "(a+b+c+d)^{60}",
    "((x+1)(x+2)(x+3))^{200}", "10^{-10^{10}}", r"\sqrt{10^{10^8}+1}", r"e^{e^{e^{e^{e}}}}", "1.0000001^{10^{12}}",
    r"\left(\frac{1}{3}\right)^{10^9}", "5^{5^{5^{5^5}}}",
]  # fmt: skip
FACTORIALS = [
    "(10^7)!", "5!!!", "12345678!", "(9!)!", "((3!)!)!", "100000!", r"\frac{10000!}{9999!}", "(x!)!", "3!!!!!!", "(-1)!",
    "0.5!", r"\binom{10^8}{5\cdot10^7}", r"\binom{100000}{50000}", r"\binom{2^{50}}{2^{49}}", r"\binom{x}{10^9}",
    r"\prod_{k=1}^{10^6}(1+1/k^2)", r"\prod_{k=1}^{\infty}(1-1/k^2)", r"\Gamma(10^{10})",
]  # fmt: skip
SUMS = [
    r"\sum_{k=1}^{10^8}1/k", r"\sum_{k=1}^{10^8}\frac{1}{k^2}", r"\sum_{n=0}^{\infty}\sum_{m=0}^{\infty}\frac{1}{n!m!}",
    r"\int_0^1 \sin(x^x)/(1+x^5)dx", r"\int_0^\infty x^3/(e^x-1) dx", r"\int_{-\infty}^{\infty} e^{-x^4}dx",
    r"\int\int\int e^{xyz}dxdydz", r"\lim_{x\to 0}\frac{\sin x}{x}", r"\sum_{k=1}^{99999}\sqrt{k}", r"\sum_{x}^{x^x}x",
]  # fmt: skip
FUNCTIONS = [
    r"\sin(10^{10^6})", r"\cos(99999999999999999999^{9})", r"\tan(\frac{\pi}{2})", r"\log(\log(\log(\log(10))))",
    r"\log_{2^{2^{20}}}2", r"\log_1 5", r"\ln 0", r"\log_{-2} 8", r"\arcsin(10^{9})", r"\exp(\exp(\exp(\exp(9))))",
    r"\lfloor 10^{10^8}/3\rfloor", r"7^{10^9} \mod 10", r"123456789^{12345678} \mod 1000", r"\gcd(2^{10^8},3^{10^8})",
    "0^0", "0^{-1}", "1/0", "0/0", r"\infty-\infty", r"\sqrt[0]{5}", r"\sqrt[10^9]{2}", r"i^{i^{i^{i}}}", r"|||x|||",
    "f(f(f(f(f(x)))))", r"\sin\sin\sin\sin\sin\sin\sin x", r"x>3^{10^8}", r"\{3^{10^8}\}", r"(3^{10^8},5)",
]  # fmt: skip
NESTING = [
    make(depth)
    for depth in (12, 40, 400, 20_000)
    for make in (
        lambda n: "(" * n + "x" + ")" * n,
        lambda n: "{" * n + "x" + "}" * n,
        lambda n: "[" * n + "x" + "]" * n,
        lambda n: r"\sqrt{" * n + "x" + "}" * n,
        lambda n: r"\frac{1}{" * n + "x" + "}" * n,
        lambda n: r"\left(" * n + "x" + r"\right)" * n,
        lambda n: r"\boxed{" * n + "x" + "}" * n,
        lambda n: r"\text{" * n + "x" + "}" * n,
        lambda n: "(" * n,
        lambda n: ")" * n,
        lambda n: "{" * n,
        lambda n: "-" * n + "x",
        lambda n: "x^{" * n + "x" + "}" * n,
        lambda n: r"\{" * n + "x" + r"\}" * n,
        lambda n: "1+(" * n + "1" + ")" * n,
    )
]
LONG = [
    unit * (BIG // len(unit))
    for unit in (
        "1", "x", "9", "+", "x+", "1,", ",", " ", "\\", "$", "{}", "()", "a b ", "1/", "0.", "\\frac", "\\frac{1}{2}+",
        "=", "x=1,", "^", "_", "^{2}", "%", "\u00b0", "\n", "\t", "and ", "or ", "the answer is ", "\\boxed{1} and ", "\\cup",
        "(0,1)\\cup", "\\begin{pmatrix}", "1&2\\\\", "\\pm", "!", "|", "<", "\\le ", "!!", "12 345 ", "1,234,", "-", ".",
    )
]  # fmt: skip
TERMS = [
    "+".join(["1"] * 3_000), "+".join(f"x_{{{n}}}" for n in range(300)), ",".join(map(str, range(400))),
    r"\{" + ",".join(f"x+{n}" for n in range(60)) + r"\}", "(" + ",".join(f"x^{n}" for n in range(200)) + ")",
    r"\begin{vmatrix}" + r"\\".join("&".join(f"x+{a * b}" for a in range(7)) for b in range(7)) + r"\end{vmatrix}",
    r"\begin{pmatrix}" + r"\\".join("&".join(f"x^{a * b}" for a in range(12)) for b in range(12)) + r"\end{pmatrix}",
    "*".join(["(x+1)"] * 200), "1" + "0" * 100_000, "0." + "3" * 100_000, "9" * 5_000 + "/" + "7" * 5_000,
    "x" * 500, "^".join("2" * 50), "=".join("x" * 50), "<".join("x" * 50), r"\pm".join("x" * 30),
    r"\cup".join(f"[{n},{n + 1}]" for n in range(300)), "and".join("12" * 50), r"1\frac{2}{3}" * 100, "5" + "!" * 60,
]  # fmt: skip
UNICODE = [
    "\x00", "1\x002", "\ud800", "\udfff\ud800", "\uffff", "\u2028", "\u0085", "\u202e42", "\ufeff42", "\u200b", "\U0001f600" * 99,
    "e\u0301" * 500, "\u0660\u0661\u0662", "\u2460", "\u00bd" * 99, "\u221a" * 99, "\u03c0" * 99, "\u221e" * 99, "\uff08\uff11\uff09",
    "\x08oxed{1}", "\x0crac{1}{2}", "\x1b[2J", "a\rb", "\\\x00{", "\\u{1F600}", "\u4e00" * 999, "\u0915\u094d" * 300,
]  # fmt: skip
CODE = [
    "__import__('os').system('true')", "().__class__.__bases__[0].__subclasses__()", "lambda: 0", "exec('1')", "S(1)/0",
    "Symbol('x').subs", "{{7*7}}", "${7*7}", "%s%s%s%n", "'; DROP TABLE answers; --", "../../etc/passwd", "\\input{/etc/passwd}",
    "\\write18{ls}", "\\def\\x{\\x\\x}\\x", "\\newcommand{\\a}{\\a\\a}\\a", "<script>", "NaN", "nan", "inf", "-inf", "None", "true",
    "\\immediate\\openin", "oo", "zoo", "E", "I", "S", "Q", "O(x)",
]  # fmt: skip

HOSTILE = [*TOWERS, *FACTORIALS, *SUMS, *FUNCTIONS, *NESTING, *LONG, *TERMS, *UNICODE, *CODE]
