"""`hairpin journal`: what may be done to a journal."""

from __future__ import annotations

import typer

from hairpin.cli import (
    journal_export,
    journal_inspect,
    journal_mirrors,
    journal_scrub,
    journal_send,
    journal_snapshot,
    journal_status,
)

app = typer.Typer(no_args_is_help=True, help="The journal: truth, and what may be done to it.")
app.command("status", epilog=journal_status.STATUS_EPILOG)(journal_status.status_command)
app.command("check", epilog=journal_scrub.CHECK_EPILOG)(journal_scrub.check_command)
app.command("scrub", epilog=journal_scrub.SCRUB_EPILOG)(journal_scrub.scrub_command)
app.command("inspect", epilog=journal_inspect.INSPECT_EPILOG)(journal_inspect.inspect_command)
app.command("replace", epilog=journal_mirrors.REPLACE_EPILOG)(journal_mirrors.replace_command)
app.command("attach", epilog=journal_mirrors.ATTACH_EPILOG)(journal_mirrors.attach_command)
app.command("detach", epilog=journal_mirrors.DETACH_EPILOG)(journal_mirrors.detach_command)
app.command("export", epilog=journal_export.EPILOG)(journal_export.export)
app.command("snapshot", epilog=journal_snapshot.SNAPSHOT_EPILOG)(journal_snapshot.snapshot)
app.command("snapshots", epilog=journal_snapshot.SNAPSHOTS_EPILOG)(journal_snapshot.snapshots)
app.command("send", epilog=journal_send.SEND_EPILOG)(journal_send.send_command)
app.command("receive", epilog=journal_send.RECEIVE_EPILOG)(journal_send.receive_command)
