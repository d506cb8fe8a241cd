"""The command line: one file per noun; each parses, calls and prints."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated, NoReturn, TextIO, cast

import structlog
import typer

from hairpin import __version__
from hairpin.cli import (
    certificate,
    crowd,
    demo,
    front,
    journal,
    node,
    rehearse,
    results,
    show,
    verify,
)
from hairpin.errors import HairpinError, YourMistake

app = typer.Typer(
    name="hairpin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hairpin runs one live moment for everyone at once.",
)
app.command("demo", epilog=demo.EPILOG)(demo.demo)
app.command("run", epilog=node.EPILOG)(node.run)
app.command("rehearse", epilog=rehearse.EPILOG)(rehearse.rehearse)
app.add_typer(certificate.app, name="certificate")
app.command("check")(show.check)
app.command("import")(show.import_)
app.command("recount", epilog=results.RECOUNT_EPILOG)(results.recount)
app.command("results", epilog=results.RESULTS_EPILOG)(results.results)
app.command("purge", epilog=results.PURGE_EPILOG)(results.purge)
app.add_typer(journal.app, name="journal")
app.command("verify", epilog=verify.EPILOG)(verify.command)
app.add_typer(front.app, name="front")
app.command("crowd", epilog=crowd.EPILOG)(crowd.crowd)
app.command("warm")(node.warm)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"hairpin {__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program an error arose.")
    ] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Exit codes: 0 all is well; 1 the ledger does not balance; 2 your mistake; 3 a peer's mistake;
    4 an engine is down; 5 data is damaged; 6 a rehearsal ended with no-go; 7 a published result
    does not hold; 8 the journal is degraded."""
    if debug:
        os.environ["HAIRPIN_DEBUG"] = "1"
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, LogLines())),
    )


class LogLines:
    """What is logged, on stderr. A full disk or a broken pipe behind it must not stop a show."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def main() -> NoReturn:
    """Run the command; explain errors instead of showing tracebacks."""
    try:
        app()
    except HairpinError as error:
        if os.environ.get("HAIRPIN_DEBUG"):
            raise
        explain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def explain(error: HairpinError) -> None:
    """Message, every finding, and the remedy, on stderr."""
    typer.echo(f"hairpin: {error.message}", err=True)
    if isinstance(error, YourMistake):
        for finding in error.findings:
            typer.echo(f"  {finding}", err=True)
    if error.remedy:
        typer.echo(f"  {error.remedy}", err=True)
