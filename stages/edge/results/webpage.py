"""The page of results: one file that needs no network, with its charts, its formulas and its traces in it.

Vega comes from vl-convert, KaTeX from the package sphinxcontrib-katex, which holds its script and is not imported.
Traces lie in the page as JSON, compressed, until somebody reads them. The page's policy forbids every script but its
own and every request, so that a hostile trace could do nothing even if it were not shown as text.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import altair
import jinja2
import vl_convert
from markupsafe import Markup

from stages.core.page.charts import Figure
from stages.edge.errors import InputError

FOLDER = Path(__file__).parent / "page"
KATEX = "sphinxcontrib-katex"
TRACES = ("text.js", "groups.js", "cards.js", "traces.js")
"""The browser of traces, one script: a later file uses the names of an earlier one."""
CHARTS = "charts.js"
SNIPPET = "window.vegaEmbed = vegaEmbed;"
"""Of all that is in the bundle, what the page's script calls."""


def packed(value: object) -> str:
    """A value as JSON, compressed, in letters that mean nothing to HTML."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0)).decode()


def render(
    texts: Mapping[str, object],
    figures: Sequence[Figure],
    rows: Mapping[str, object],
    blocks: Iterable[object],
) -> str:
    """The page.

    Args:
        texts: what the template `page/page.html` shows: title, cells, notes, gains, warnings, tables, prompts,
            trace_note.
        figures: the charts.
        rows: of the browser of traces, see `browser.encoded`.
        blocks: their texts, `rows["rows_per_block"]` rows each.

    Raises:
        InputError: KaTeX is not installed.
    """
    # In a block the names of the first meet none of the libraries', which take longer to read than the list of traces.
    traces = "\n".join(['"use strict";{', *map(_own, TRACES), "}"])
    scripts = [_safe(script) for script in (traces, _katex(), _vega(), _own(CHARTS))]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(_own("page.html"))
    specs = json.dumps([figure.spec for figure in figures], ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return template.render(
        **texts,
        policy=f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:",
        style=Markup(_own("page.css")),
        charts=figures,
        specs=Markup(specs.replace("<", "\\u003c")),
        rows=packed(rows),
        blocks=[packed(block) for block in blocks],
        scripts=[Markup(script) for script in scripts],
    )


def _own(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _vega() -> str:
    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])  # that of Vega-Lite, without the patch
    return vl_convert.javascript_bundle(SNIPPET, vl_version=version)


def _katex() -> str:
    try:
        scripts = [file for file in metadata.files(KATEX) or [] if file.name == "katex.min.js"]
    except metadata.PackageNotFoundError:
        scripts = []
    if not scripts:
        raise InputError(f"the package {KATEX}, which holds KaTeX, is not installed: run `make environment`")
    return scripts[0].read_text(encoding="utf-8")


def _safe(script: str) -> str:
    """A script that no text in it can end: in JavaScript `<\\/script` is the same text."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
