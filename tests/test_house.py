"""How the library is built: which room may import from which, and how much its signatures leave open."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src"
FLOORS = (  # a room imports from itself and from lower floors; two on one floor know nothing of each other
    ("core",),
    ("registry",),
    ("scenes", "gradients", "models", "equivalences"),
    ("training",),
    ("counter", "zoo"),
    ("evaluation",),
    ("figures",),
    ("reproduce",),
    ("claims", "verbs"),
    ("cli",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
DOORS = ("subitize", "subitize.__main__")  # the package itself, and what `python -m` runs
# Options that name the learner that they make only when asked: help loads no JAX.
DEFER = ("subitize.counter.options", "subitize.counter.catalogue")
MOST_ANY = 122  # in annotations; only ever fewer
MOST_ASSERTED_KINDS = 0  # `assert isinstance`, where a signature should have said it


def modules() -> dict[str, ast.Module]:
    """Every module of the library by its name, parsed."""
    found = {}
    for path in sorted(SOURCES.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """All that is imported: a module, and a name in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports say where from"
            yield from ((str(node.module), alias.name) for alias in node.names)


def imported(tree: ast.AST) -> set[str]:
    """The modules of the library that some code imports."""
    pairs = [(module, f"{module}.{name}") for module, name in imports(tree)]
    return {inner if inner in MODULES else module for module, inner in pairs} & set(MODULES)


def at_once(tree: ast.Module) -> ast.Module:
    """The statements of a module without functions, classes, and what is for types alone."""
    deferred = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    kept = [node for node in tree.body if not isinstance(node, deferred)]
    typing_only = [n for n in kept if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    return ast.Module([node for node in kept if node not in typing_only], [])


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """A way along arrows that comes back to where it began; empty if there is none."""
    done: set[str] = set()

    def back(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        done.add(name)
        return next((found for to in sorted(arrows.get(name, ())) if (found := back(to, [*way, name]))), [])

    return next((found for name in sorted(arrows) if (found := back(name, []))), [])


def annotations(tree: ast.AST) -> Iterator[ast.expr]:
    """What is said of arguments, of what is returned, and of fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns


def anys(tree: ast.AST) -> int:
    """How often `Any` stands in annotations."""
    return sum(
        isinstance(part, ast.Name) and part.id == "Any"
        for annotation in annotations(tree)
        for part in ast.walk(annotation)
    )


def asserted_kinds(tree: ast.AST) -> int:
    """How often a kind is asserted."""
    asserts = [ast.unparse(node.test) for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    return sum(text.startswith("isinstance(") for text in asserts)


def upward(name: str, others: set[str]) -> list[str]:
    """Those of the modules that one imports which are not below it, nor in its own room."""
    room, rooms = name.split(".")[1], {other: other.split(".")[1] for other in others if other not in DOORS}
    return [to for to, other in rooms.items() if other != room and FLOOR[other] >= FLOOR[room]]


def test_every_room_has_its_floor():
    assert {name.split(".")[1] for name in MODULES if name not in DOORS} == set(FLOOR)


def test_imports_point_down():
    arrows = {name: imported(tree) for name, tree in MODULES.items() if name not in DOORS}
    assert {name: up for name, others in arrows.items() if (up := upward(name, others))} == {}


def test_no_imports_go_in_circles():
    arrows = {name: imported(tree) for name, tree in MODULES.items()}
    assert circle(arrows | {name: imported(at_once(MODULES[name])) for name in DEFER}) == []


def test_signatures_and_fields_say_what_they_take():
    assert sum(map(anys, MODULES.values())) <= MOST_ANY


def test_no_kind_is_asserted():
    assert sum(map(asserted_kinds, MODULES.values())) <= MOST_ASSERTED_KINDS


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("def f(a: Any, *b: Any, c: dict[str, Any] = 1, **d: Any) -> Any: ...", 5),
        ("class A:\n    a: Any\n    b: Callable[[Any], Any] = len", 3),
        ("from typing import Any\nmany = Any\ndef f(a: 'Many', b: int) -> None: any(b)", 0),
    ],
)
def test_any_is_counted_wherever_it_is_said(text, number):
    assert anys(ast.parse(text)) == number


def test_an_assertion_of_a_kind_is_one():
    assert asserted_kinds(ast.parse("assert isinstance(a, B)\nassert a is not None\nisinstance(a, B)")) == 1


def test_arrows_that_point_up_or_go_round_are_seen():
    assert upward("subitize.models.air", {"subitize.core.specs", "subitize.counter.learner"}) == [
        "subitize.counter.learner"
    ]
    assert upward("subitize.models.air", {"subitize.gradients.draw"}) == ["subitize.gradients.draw"]
    assert upward("subitize.cli.show", set(MODULES) - {"subitize.cli.show"}) == []
    assert circle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_imports_are_seen_wherever_they_are():
    late = "def f():\n    import subitize.registry\nif TYPE_CHECKING:\n    from subitize import cli\n"
    tree = ast.parse("from subitize.core import specs\n" + late)
    assert imported(tree) == {"subitize.core.specs", "subitize.registry", "subitize.cli"}
    assert imported(at_once(tree)) == {"subitize.core.specs"}
