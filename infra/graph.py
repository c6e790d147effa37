"""Draws `docs/migration.svg`, the picture of the state machine, from the one definition.

`make graph`, or `python -m infra.graph`. The definition is turned into DOT here, and laid out by Graphviz as
WebAssembly: an npm tarball that is fetched, pinned, into `build/` when a picture is drawn and not before. The picture
is committed, so that it shows where no renderer is. It names the SHA-256 of its DOT, by which a stale one is found.
"""

import hashlib
import html
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.install import PROJECT_ROOT, EngineMissing, Tarball, fetch, find_node
from workflow.definition import State, read_definition

PICTURE = PROJECT_ROOT / "docs" / "migration.svg"

GRAPHVIZ = Tarball(
    package="@viz-js/viz",
    version="3.31.0",
    sha256="7dc0189874849cca2fed7cbe88bf334cd0e6e012db16657794a812ad6f2b8c70",
    keep="package/dist/",
    proof="viz.cjs",
    parent=PROJECT_ROOT / "build",
)
_LAY_OUT = """
const { instance } = require(process.argv[1]);
const dot = require("node:fs").readFileSync(0, "utf8");
instance().then((viz) => process.stdout.write(viz.renderString(dot, { format: "svg" })));
"""

INK, FAINT, LINE = "#16191f", "#5f6b7a", "#879596"
PLAIN, WAITS, ASKS = ("#ffffff", LINE), ("#fff6e0", "#d58512"), ("#f1e8fd", "#7d3ac1")
"""Fill and line of a state that works through, that waits by Retry, and that waits for a person."""
CHOICE, MAP = ("#e6f1fb", "#2e73b8"), ("#f4f6f8", LINE)

COMMENT_LETTERS = 50
NAME_WIDTH, COMMENT_WIDTH = 160, 285
"""Of a state's two cells, with room to spare: the picture may be shown with a font wider than Helvetica."""

_FONT = 'fontname="Helvetica,Arial,sans-serif"'
_HEAD = f"""digraph migration {{
  graph [compound=true, bgcolor=white, pad=0.2, nodesep=0.3, ranksep=0.22, labeljust=l, {_FONT}, fontcolor="{INK}"]
  node [shape=box, style="rounded,filled", height=0.3, margin="0.1,0.04", {_FONT}, fontsize=13, fontcolor="{INK}"]
  edge [color="{FAINT}", arrowsize=0.6, {_FONT}, fontsize=10, fontcolor="{FAINT}"]"""


def dot(definition: Mapping[str, Any]) -> str:
    """Return the definition as DOT: each state with its comment, each transition with its condition in words.

    The ids `<state>`, `<state>.to.<state>`, `Start` and `End` are those of the SVG's groups: what a test reads.
    """
    lines = [_HEAD, _end_node("Start"), *_states(definition, indent="  "), _end_node("End"), _legend()]
    lines += [_edge("Start", definition["StartAt"], definition["States"]), *_transitions(definition, is_whole=True)]
    return "\n".join([*lines, "}"]) + "\n"


def condition_in_words(rule: Mapping[str, Any], *, negated: bool = False) -> str:
    """Return a Choice's rule in words, as `verdict is equal`.

    Args:
        rule: an element of `Choices`.
        negated: say when the rule does not hold.

    Raises:
        ValueError: the definition compares in a way that has no words here yet.
    """
    if set(rule) != {"Variable", "StringEquals", "Next"}:
        raise ValueError(f"the rule {dict(rule)} is no plain StringEquals; teach condition_in_words to say it")
    return f"{rule['Variable'].rpartition('.')[2]} is {'not ' if negated else ''}{rule['StringEquals']}"


def waits_of(state: State) -> list[str]:
    """Return the errors that a state raises to be asked again later, in the definition's order."""
    named = [name for retrier in state.get("Retry", []) for name in retrier["ErrorEquals"]]
    return [name for name in named if name.endswith("Pending") or name == "TipOutOfReach"]


def digest_of(text: str) -> str:
    """Return the SHA-256 of DOT, which a picture that was made of it names."""
    return hashlib.sha256(text.encode()).hexdigest()


def draw(text: str) -> str:
    """Return DOT laid out as SVG, with the DOT's digest in its head.

    Raises:
        EngineMissing: Node.js is not there, or Graphviz cannot be fetched or refuses the DOT.
    """
    graphviz = fetch(GRAPHVIZ) / GRAPHVIZ.proof
    node = find_node()
    if node is None:
        raise EngineMissing("the picture cannot be laid out: Node.js not found; run `make setup`")
    done = subprocess.run(
        [node, "--eval", _LAY_OUT, str(graphviz)], input=text, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise EngineMissing(
            f"Graphviz refused the DOT of infra/graph.py, which has to be mended: {done.stderr.strip()}"
        )
    head = f"<!-- Drawn from workflow/migration.asl.json by `make graph`. DOT: {digest_of(text)} -->\n"
    # Only what is SVG itself: a document type would have some readers fetch it, and blanks at line ends are of no use.
    return head + re.sub(r"[ \t]+$", "", done.stdout[done.stdout.index("<svg") :], flags=re.MULTILINE)


def main(picture: Path = PICTURE) -> int:
    """Draw the picture; a failure says why, and the way out."""
    try:
        picture.write_text(draw(dot(read_definition())), encoding="utf-8")
    except EngineMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(f"drawn: {picture}")
    return 0


def _states(machine: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, state in machine["States"].items():
        if state["Type"] != "Map":
            yield f"{indent}{_quoted(name)} [{_look(name, state)}]"
            continue
        (fill, line), each = MAP, state["ItemsPath"].rpartition(".")[2]
        label = _label(name, f"Map over {each}", comment=state["Comment"])
        yield f"{indent}subgraph {_quoted(_cluster(name))} {{"
        yield f'{indent}  id={_quoted(name)}; style="rounded,filled"; color="{line}"; fillcolor="{fill}"; margin=12'
        yield f"{indent}  label={label}"
        yield from _states(state["ItemProcessor"], f"{indent}  ")
        yield f"{indent}}}"


def _look(name: str, state: State) -> str:
    if state["Type"] == "Choice":
        (fill, line), label = CHOICE, _quoted(name)
        shape = 'shape=diamond, style=filled, margin="0,0.02", fontsize=12, '
    else:
        shape, waits = "", waits_of(state)
        (fill, line), below = (WAITS, [f"↻ {error}" for error in waits]) if waits else (PLAIN, [])
        if state.get("Resource", "").endswith(".waitForTaskToken"):
            (fill, line), below = ASKS, [f"task token, {state['TimeoutSeconds'] // 86_400} days"]
        label = _label(name, *below, comment=state["Comment"])
    return f'id={_quoted(name)}, {shape}group=spine, label={label}, fillcolor="{fill}", color="{line}"'


def _transitions(machine: Mapping[str, Any], *, is_whole: bool) -> Iterator[str]:
    """Yield the edges between the states of a machine, then those of the machines inside its Maps."""
    states = machine["States"]
    for name, state in states.items():
        rules = state.get("Choices", [])
        for rule in rules:
            yield _edge(name, rule["Next"], states, condition_in_words(rule))
        if "Default" in state:
            said = condition_in_words(rules[0], negated=True) if len(rules) == 1 else "otherwise"
            yield _edge(name, state["Default"], states, said)
        if "Next" in state:
            yield _edge(name, state["Next"], states)
        if state.get("End") and is_whole:  # the end of a child is no end of the execution
            yield _edge(name, "End", states)
    for state in states.values():
        if state["Type"] == "Map":
            yield from _transitions(state["ItemProcessor"], is_whole=False)


def _edge(source: str, target: str, states: Mapping[str, State], said: str = "") -> str:
    """Return one edge. DOT joins nodes only: a Map's edge goes by a state inside, and is cut at the Map's frame."""
    tail, head, looks = source, target, [f"id={_quoted(f'{source}.to.{target}')}"]
    if states.get(source, {}).get("Type") == "Map":
        tail = next(name for name, state in states[source]["ItemProcessor"]["States"].items() if state.get("End"))
        looks.append(f"ltail={_quoted(_cluster(source))}")
    if states.get(target, {}).get("Type") == "Map":
        head = states[target]["ItemProcessor"]["StartAt"]
        looks.append(f"lhead={_quoted(_cluster(target))}")
    if said:
        looks.append(f"label={_quoted(f'   {said}   ')}")  # blanks again for wider fonts
    order = ["Start", *states, "End"]
    if order.index(target) != order.index(source) + 1:
        looks.append("tailport=e, weight=0")  # it leaves by the side, and the column stays straight
    if order.index(target) < order.index(source):
        looks.append("style=dashed")  # it goes back up
    return f"  {_quoted(tail)} -> {_quoted(head)} [{', '.join(looks)}]"


def _end_node(name: str) -> str:
    return f'  {name} [id={name}, shape=oval, style=filled, color="{LINE}", fillcolor="{LINE}", fontcolor=white]'


def _legend() -> str:
    """Return what the colours mean, beside the start."""
    rows = "".join(
        f'<tr><td bgcolor="{fill}" color="{line}" border="1" width="20"></td><td align="left">{meaning}</td></tr>'
        for (fill, line), meaning in (
            (WAITS, "waits: it raises ↻ and is asked again"),
            (ASKS, "waits for a person"),
            (PLAIN, "works through"),
        )
    )
    table = f'<<table border="0" cellspacing="3" cellpadding="1">{rows}</table>>'
    legend = f'legend [id=legend, shape=plaintext, style="", fontsize=10, fontcolor="{FAINT}", label={table}]'
    return f"  {legend}\n  {{ rank=same; Start; legend }}"


def _label(name: str, *below: str, comment: str) -> str:
    """Return a state's label: name and what stands below it on the left, the comment on the right."""
    left = f"<b>{html.escape(name)}</b>" + "".join(f"<br/>{_small(line)}" for line in below)
    right = "<br/>".join(_small(line) for line in textwrap.wrap(comment, COMMENT_LETTERS))
    cell = '<td align="left" balign="left" width="{}">{}</td>'
    cells = cell.format(NAME_WIDTH, left) + cell.format(COMMENT_WIDTH, right)
    return f'<<table border="0" cellspacing="0" cellpadding="0"><tr>{cells}</tr></table>>'


def _small(line: str) -> str:
    return f'<font point-size="10" color="{FAINT}">{html.escape(line)}</font>'


def _cluster(name: str) -> str:
    return f"cluster_{name}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    sys.exit(main())
