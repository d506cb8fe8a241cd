"""The documents against the code: what they list, draw and link is there, and is all there is."""

from __future__ import annotations

import re
import tomllib
import typing
from pathlib import Path

import click
import msgspec
import numpy as np
import pytest
import typer.main

from hairpin import frame as framing
from hairpin import messages
from hairpin.answer import RECORD
from hairpin.cli import app
from hairpin.config import Settings
from hairpin.country import INDEX
from hairpin.frame import Kind
from hairpin.journal import encode_control
from hairpin.journal.names import segment_name
from hairpin.order import STEPS, State
from hairpin.ticket import TicketKey, claim_code, issue

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "hairpin"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """A document without its code blocks: what looks like a link in them is none."""
    return FENCED.sub("", path.read_text(encoding="utf-8"))


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, in order; headings and rules included."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def section(text: str, heading: str) -> str:
    """From a heading to the next one of its level or above."""
    level = heading.split(" ")[0]
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{len(level)}}} ", text[start:], re.MULTILINE)
    return text[start : start + end.start()] if end else text[start:]


def slug(heading: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{path.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{path.name}: {target}"


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, fresh = set(), {ROOT / "README.md"}
    while fresh:
        path = fresh.pop()
        reached.add(path)
        targets = {link.partition("#")[0] for link in LINK.findall(prose(path))}
        found = {(path.parent / t).resolve() for t in targets if t.endswith(".md")}
        fresh |= found - reached
    assert set(DOCUMENTS) <= reached, sorted(set(DOCUMENTS) - reached)


# --- README ---------------------------------------------------------------------------------------


def test_the_parts_table_names_every_part() -> None:
    table = section((ROOT / "README.md").read_text(encoding="utf-8"), "## Parts")
    named = set(re.findall(r"\(src/hairpin/([\w./]+)\)", table))
    parts = {
        path.name
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert named == parts - {"__init__.py", "__main__.py"}


# --- concepts -------------------------------------------------------------------------------------


def test_the_diagram_of_the_running_order_is_its_table() -> None:
    block = read("concepts.md").split("```mermaid\n")[1].split("```")[0]
    drawn = re.findall(r"^ +(\S+) --> (\w+)(?:: (\w+))?$", block, re.MULTILINE)
    steps = {(State(state), step): State(target) for state, target, step in drawn if step}
    assert steps == {(state, str(step)): target for (state, step), target in STEPS.items()}
    assert [edge for edge in drawn if not edge[2]] == [("[*]", State.WAITING, "")]
    assert len(drawn) == len(STEPS) + 1


# --- formats --------------------------------------------------------------------------------------

JOURNAL = 0x0123456789ABCDEF
INCARNATION = 2


def strand() -> list[tuple[bytes, bytes]]:
    """The strand of the walk-through: frame and chain of each."""
    born = encode_control(messages.Born(1_795_000_000_000, "gate"))
    answers = np.array(
        [
            (4711, 303_120, 2_890, 0, 0b10, 1, INDEX["FR"]),
            (12, 303_124, 1_905, 0, 0b01, 0, INDEX["NO"]),
        ],
        RECORD,
    )
    bodies = [(Kind.CONTROL, born, 1), (Kind.ANSWERS, answers.tobytes(), 2), (Kind.SEAL, b"", 0)]
    chain = framing.genesis(JOURNAL, INCARNATION)
    frames = []
    for sequence, (kind, body, count) in enumerate(bodies):
        data, chain = framing.pack(kind, JOURNAL, INCARNATION, sequence, chain, body, count)
        frames.append((data, chain))
    return frames


def test_the_strand_in_the_formats_is_what_the_code_writes() -> None:
    text = read("formats.md")
    dump = text.split("<!-- strand -->\n```\n")[1].split("```")[0]
    lines = [line.split("  ", 1) for line in dump.splitlines()]
    assert [int(at, 16) for at, _ in lines] == list(range(0, 16 * len(lines), 16))
    whole = b"".join(data for data, _ in strand())
    assert bytes.fromhex("".join(row for _, row in lines)) == whole
    assert f"in {len(whole)} bytes" in text


def test_the_walk_through_says_what_stands_there() -> None:
    whole = b"".join(data for data, _ in strand())
    table = section(read("formats.md"), "### A whole strand in 251 bytes")
    walked = [row for row in rows(table) if re.fullmatch(r"[0-9a-f]{4}", row[0])]
    for at, shown, _ in walked:
        first = re.sub(r"[` ]", "", shown.split("...")[0])
        assert whole[int(at, 16) :].hex().startswith(first), f"at {at}: {shown}"
    ends = [data for data, _ in strand()]
    starts = [0, len(ends[0]), len(ends[0]) + len(ends[1])]
    framed = [int(at, 16) for at, shown, _ in walked if "48 50 4e 31" in shown]
    assert framed == starts


def test_chains_and_body_of_the_walk_through() -> None:
    text = read("formats.md")
    genesis = framing.genesis(JOURNAL, INCARNATION).hex(" ")
    assert f"`{genesis[:11]} ... {genesis[-8:]}`" in text
    (born, chain), _, _ = strand()
    assert f"`{chain.hex(' ')[:5]} ... {chain.hex(' ')[-5:]}`" in text
    assert f"`{born[framing.HEADER_BYTES :].decode()}`" in text


def test_offsets_of_the_frame_are_those_of_its_header() -> None:
    table = section(read("formats.md"), "## Frame").partition("###")[0]
    fields = [(int(at), int(size)) for at, size, *_ in rows(table) if at.isdigit()]
    ends = [at + size for at, size in fields]
    assert [at for at, _ in fields] == [0, *ends[:-1]]
    assert ends[-1] == framing.HEADER_BYTES


def test_the_record_in_the_formats_is_the_dtype() -> None:
    table = section(read("formats.md"), "## Answer record")
    shown = [
        (re.findall(r"`(\w+)`", field)[0], int(at), int(size))
        for at, size, field in rows(table)
        if at.isdigit()
    ]
    assert RECORD.fields is not None
    assert shown == [
        (name, offset, dtype.itemsize) for name, (dtype, offset, *_) in RECORD.fields.items()
    ]


def test_the_ticket_in_the_formats_is_what_the_code_issues() -> None:
    key = TicketKey(7, bytes(range(16)), bytes(range(16, 32)))
    text = section(read("formats.md"), "## Ticket")
    assert f"ticket      {issue(4711, 1, INDEX['FR'], key)} " in text
    assert f"claim code  {claim_code(key.claim, 4711, 1, INDEX['FR'])}\n" in text


def test_segment_names_in_the_formats() -> None:
    assert f"`{segment_name(INCARNATION, 0)}`" in read("formats.md")


def test_the_table_of_control_records_is_complete() -> None:
    table = section(read("formats.md"), "## Control records")
    shown = {
        row[0].strip("`"): [name for name in re.findall(r"`(\w+)`", row[2]) if name not in ROLES]
        for row in rows(table)
        if row[0].startswith("`") and row[0] != "`type`"
    }
    kinds = typing.get_args(messages.AnyControl)
    assert shown == {kind.__struct_config__.tag: fields_of(kind) for kind in kinds}


ROLES = ("gate", "director")
"""Values that stand beside a field in the table."""


def fields_of(kind: type[msgspec.Struct]) -> list[str]:
    return [name for name in kind.__struct_fields__ if name != "at_ms"]


def test_the_table_of_topics_is_complete() -> None:
    table = section(read("formats.md"), "## Messages on the bus")
    topics = {value for name, value in vars(messages).items() if name.startswith("TOPIC_")}
    shown = [row for row in rows(table) if row[0].strip("`") in topics]
    assert {row[0].strip("`") for row in shown} == topics
    for row in shown:
        for name in re.findall(r"`(\w+)`", row[1]):
            assert issubclass(getattr(messages, name), msgspec.Struct)


def test_the_snapshot_in_the_formats_is_the_message() -> None:
    text = section(read("formats.md"), "### The snapshot")
    named = {name for row in rows(text) for name in re.findall(r"`(\w+)`", row[0])}
    snapshot, question = messages.TallySnapshot, messages.QuestionTally
    assert named == {*snapshot.__struct_fields__, *question.__struct_fields__}


# --- settings, commands, dependencies -------------------------------------------------------------


def test_every_setting_is_documented_with_its_default() -> None:
    shown = {row[0].strip("`"): row[1] for row in rows(read("settings.md"))[2:]}
    defaults = {name: getattr(Settings(), name) for name in Settings.__struct_fields__}
    assert shown == {name: f"`{in_toml(value)}`" for name, value in defaults.items()}


def in_toml(value: object) -> str:
    return "[]" if value == () else '""' if value == "" else str(value)


def commands_of(group: click.Group, before: str = "") -> dict[str, click.Command]:
    """By the words that are typed, such as `front nginx`."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):  # typer's groups are no subclass of click's
            found |= commands_of(typing.cast(click.Group, command), f"{before}{name} ")
        else:
            found[before + name] = command
    return found


COMMANDS = commands_of(typing.cast(click.Group, typer.main.get_command(app)))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_documented_with_all_its_options(name: str) -> None:
    text = read("commands.md")
    heading = next(
        (line for line in text.splitlines() if re.match(rf"## `hairpin {name}\b", line)), None
    )
    assert heading is not None, f"no section for hairpin {name}"
    told = section(text, heading)
    options = {
        option
        for parameter in COMMANDS[name].params
        if parameter.param_type_name == "option"
        for option in parameter.opts
        if option not in ("--help", "-h")
    }
    told_of = set(re.findall(r"`(--?[a-z][a-z-]*)", told))
    assert options <= told_of, f"not documented: {options - told_of}"
    listed = {option for row in rows(told) for option in re.findall(r"`(--?[a-z-]+)", row[0])}
    assert listed <= options, f"documented, but not there: {listed - options}"


def test_no_command_is_documented_that_is_not_there() -> None:
    shown = re.findall(r"^## `hairpin ([a-z]+(?: [a-z]+)*)", read("commands.md"), re.MULTILINE)
    assert set(shown) == set(COMMANDS)


def test_options_of_the_whole_program_are_documented() -> None:
    text = read("commands.md")
    for parameter in typer.main.get_command(app).params:
        if "--help" not in parameter.opts:
            assert all(f"`{option}`" in text for option in parameter.opts)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {
        "## To run": project["project"]["dependencies"],
        "## To test": project["dependency-groups"]["test"],
        "## To check": project["dependency-groups"]["check"],
    }
    text = read("dependencies.md")
    for heading, needed in groups.items():
        names = {re.split(r"[<>=\[; ]", line)[0] for line in needed}
        shown = {row[0].strip("`"): row for row in rows(section(text, heading))[2:]}
        assert set(shown) == names, heading
        assert all(all(cells) for cells in shown.values())


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_tour_names_files_once_they_are_there() -> None:
    """Links are checked above; here the paths that stand in plain code, such as `node/gate.py`."""
    for path in (DOCS / "reading-the-source.md", ROOT / "CONTRIBUTING.md"):
        for name in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|js))`", prose(path)):
            assert (PACKAGE / name).is_file() or (ROOT / name).is_file(), f"{path.name}: {name}"
