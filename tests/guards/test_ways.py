"""A place is found wherever its module stands, and each way takes away one thing, or says why it cannot."""

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from tests.guards.guard import Guard
from tests.guards.place import Code, GuardLostError, find_place
from tests.guards.ways import (
    Always,
    CopyBefore,
    Drop,
    InTurn,
    LeaveOut,
    MoveBehind,
    Never,
    Omit,
    Put,
    Rewrite,
    Way,
)

CASES: list[tuple[Way, str, str]] = [
    (Drop("check"), "a.check(x)\nb()", "pass\nb()"),
    (Drop("check"), "if w := a.check(x):\n    raise E(w)\nb()", "pass\nb()"),
    (Drop("check"), "if x:\n    a()\nelif check():\n    b()", "if x:\n    a()\nelse:\n    pass"),
    (Drop("r.a", last=True), "f = functools.partial(r.a, x)\nf()\nf()", "f = functools.partial(r.a, x)\nf()\npass"),
    (Drop("add", beside="now"), "for x in y:\n    a.add(x)\nb.add(y)\nnow()", "for x in y:\n    a.add(x)\npass\nnow()"),
    (
        Drop("break", beside="b"),
        "while x:\n    if y:\n        a()\n        break\n    b()\n    break",
        "while x:\n    if y:\n        a()\n        break\n    b()\n    pass",
    ),
    (Never("'on'"), "if x.state != 'on' or\\\n        y:\n    a()\nb()", "if False:\n    a()\nb()"),
    (Never("rest"), "left = find(rest)\nif left:\n    a()", "left = find(rest)\nif False:\n    a()"),
    (Never("b"), "if a:\n    c()\nelif b:\n    d()", "if a:\n    c()\nelif False:\n    d()"),
    (Never(paired_with="OFF"), "x = [(a and b, K.ON), (a or b, K.OFF)]", "x = [(a and b, K.ON), (False, K.OFF)]"),
    (Never("id"), "x = ((a, 'no'), (a.id != b, 'other'))", "x = ((a, 'no'), (False, 'other'))"),
    (Always(over="put"), "if a:\n    b()\nif not c.a:\n    put()", "if a:\n    b()\nif True:\n    put()"),
    (Always("K"), "x = [a for a in b if a not in K]", "x = [a for a in b if True]"),
    (LeaveOut("b"), "x = a or b.c(d) or e", "x = a or e"),
    (LeaveOut("b"), "x = (y or not b) and z", "x = y and z"),
    (LeaveOut("'run'"), "x = ('run', run, *rest)", "x = (run, *rest)"),
    (LeaveOut("'b'"), "x = {\n    'a',\n    'b',  # why\n    'c',\n}\ny = 1", "x = {'a', 'c'}\ny = 1"),
    (LeaveOut("caught"), "with a(), caught(b):\n    c()", "with a():\n    c()"),
    (Omit("c"), "a(b, c=1, **d)", "a(b, **d)"),
    (Omit("c", "d"), "x = {'b': 1, 'c': 2, **z, 'd': 3}", "x = {'b': 1, **z}"),
    (Put("_ + 1", key="over"), "a(over=b, c=b)", "a(over=b + 1, c=b)"),
    (Put("{**_, 'x': 1}", key="Put"), "a = [{'Put': b}]", "a = [{'Put': {**b, 'x': 1}}]"),
    (Put("[]", "find"), "return a.find(b)", "return []"),
    (
        Put("e", "last", "fresh", argument=0),
        "a = fresh()\nlast(a, c)\nlast(d, c)",
        "a = fresh()\nlast(e, c)\nlast(d, c)",
    ),
    (Put("0", "digest"), "return f'{h.page:08}#{h.digest}' + 'ä'", "return f'{h.page:08}#{0}' + 'ä'"),
    (Put("[]"), "return [a for a in b]", "return []"),
    (MoveBehind("put", "note"), "x = 'ä'\nput(x)\n# why\nnote(x)\ny()", "x = 'ä'\n# why\nnote(x)\nput(x)\ny()"),
    (
        CopyBefore("note", "put", {"n": "0"}),
        "if put(x):\n    a()\nnote(y, n=len(x))",
        "note(y, n=0)\nif put(x):\n    a()\nnote(y, n=len(x))",
    ),
    (Rewrite("f(any_a, any_a)", "any_a"), "x = f(a, b) + f(c.d, c.d)", "x = f(a, b) + c.d"),
    (Rewrite("any_a.new", "any_a.old", everywhere=True), "x = a.new + b.new.new", "x = a.old + b.old.old"),
    (InTurn(LeaveOut("b"), Never("a")), "if a or b or c:\n    d()", "if False:\n    d()"),
]


@pytest.mark.parametrize(("way", "body", "without"), CASES)
def test_a_way_takes_away_what_it_is_asked_to_and_no_more(way: Way, body: str, without: str) -> None:
    taken = way.taken_away(Code(function(body), "f"))
    assert ast.dump(ast.parse(taken)) == ast.dump(ast.parse(function(without)))
    lines = taken.count("\n") - function(body).count("\n")
    assert lines == isinstance(way, CopyBefore), "what stands behind keeps its line"


@pytest.mark.parametrize(
    ("way", "body", "reason"),
    [
        (Drop("check"), "check_all()", "f has no statement with check"),
        (Drop("check"), "check()\ncheck()", "f has more than one statement with check: lines 2, 3"),
        (Drop("break"), "pass", "no statement with break"),
        (Never("a"), "a()", "no condition with a"),
        (Never("a"), "if a:\n    b()\nif not a:\n    c()", "more than one condition with a: lines 2, 4"),
        (Never(paired_with="OFF"), "x = [(a, K.ON)]", "no condition with OFF"),
        (LeaveOut("a"), "a()", "no member with a"),
        (LeaveOut("a"), "x = a or b or a", "more than one member"),
        (Omit("a"), "b(c=1)", "no argument or key a"),
        (Omit("a", "c"), "b(a=1)\nb(c=1)", "a, c do not stand in one call or dictionary of f"),
        (Put("1", "a"), "b()", "no expression with a"),
        (Put("1", "b", argument=1), "b(1)", "has no argument 1"),
        (Put("1"), "if a:\n    return 2\nreturn 3", "more than one value"),
        (MoveBehind("put", "note"), "note()\nput()", "no statement with note behind put"),
        (CopyBefore("put", "note"), "put()\nnote()", "no statement with note before put"),
        (CopyBefore("put", "note", {"n": "0"}), "note()\nput(m=1)", "put gets no n in f"),
        (Rewrite("g(any_a, any_a)", "any_a"), "g(a, b)", "no expression like"),
    ],
)
def test_a_way_that_does_not_find_one_thing_says_so(way: Way, body: str, reason: str) -> None:
    with pytest.raises(GuardLostError, match=reason):
        way.taken_away(Code(function(body), "f"))


def test_a_constant_and_a_field_have_values(tmp_path: Path) -> None:
    write(tmp_path, "tasks/looks.py", "LOOKS = 6\n\nclass Asked(Model):\n    verdict: Literal['equal']\n")
    _, source = Guard("one look", "looks.LOOKS", Put("1")).taken_away(tmp_path)
    assert source.startswith("LOOKS = 1\n")
    _, source = Guard("any verdict", "looks.Asked.verdict", Put("str", "Literal", "'equal'")).taken_away(tmp_path)
    assert source.endswith("    verdict: str\n")


def test_a_place_is_found_wherever_its_module_stands(tmp_path: Path) -> None:
    here, there = "tasks/aws/route.py", "workflow/run/deep/route.py"
    write(tmp_path, here, "class Route:\n    def check(self):\n        def look():\n            pass\n")
    assert find_place(tmp_path, "route.Route.check.look") == (tmp_path / here, "Route.check.look")
    (tmp_path / there).parent.mkdir(parents=True)
    (tmp_path / here).rename(tmp_path / there)
    assert find_place(tmp_path, "route.Route.check") == (tmp_path / there, "Route.check")


def test_a_place_needs_no_more_of_its_name_than_tells_it_from_others(tmp_path: Path) -> None:
    write(tmp_path, "tasks/receipts.py", "class Receipts:\n    def put(self):\n        put = 1\n")
    assert find_place(tmp_path, "receipts.put") == (tmp_path / "tasks/receipts.py", "Receipts.put")
    write(tmp_path, "tasks/receipts.py", "class Receipts:\n    def put(self): pass\n\ndef put(): pass\n")
    assert find_place(tmp_path, "receipts.put")[1] == "put"
    for folder in ("tasks/core", "infra"):
        write(tmp_path, f"{folder}/resume.py", "def check(): pass\n")
    with pytest.raises(GuardLostError, match=r"resume\.py \(check\), infra/resume\.py \(check\): put more of what is"):
        find_place(tmp_path, "resume.check")
    assert find_place(tmp_path, "core.resume.check")[0] == tmp_path / "tasks/core/resume.py"
    write(tmp_path, "tasks/twice.py", "def check(): pass\ndef check(): pass\n")
    with pytest.raises(GuardLostError, match=r"twice\.py \(check\), tasks/twice\.py \(check\)"):
        Guard("nothing", "twice.check", Drop("a")).taken_away(tmp_path)


@pytest.mark.parametrize("at", ["resume.look", "rerun.check", "check", "resume.check.look"])
def test_a_place_that_is_not_there_is_an_error(tmp_path: Path, at: str) -> None:
    write(tmp_path, "tasks/resume.py", "def check(): pass\n")
    with pytest.raises(GuardLostError, match=f"there is no {at} in tasks, workflow, infra"):
        find_place(tmp_path, at)


def test_a_guard_whose_way_changes_nothing_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "tasks/a.py", function("if False:\n    b()\nif c:\n    d()"))
    with pytest.raises(GuardLostError, match=r"idle: nothing is taken away of a\.f \(tasks/a\.py\)"):
        Guard("idle", "a.f", Never("False")).taken_away(tmp_path)
    with pytest.raises(GuardLostError, match=r"lost: f has no condition with e \(tasks/a\.py\)"):
        Guard("lost", "a.f", Never("e")).taken_away(tmp_path)


def function(body: str) -> str:
    return "def f(self):\n" + "".join(f"    {line}\n" if line else "\n" for line in dedent(body).splitlines())


def write(root: Path, file: str, source: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(source, encoding="utf-8")
