"""`hairpin journal`: what may be done to a journal."""

from __future__ import annotations

import typer

from hairpin.cli import journal_export, journal_send, journal_snapshot

app = typer.Typer(no_args_is_help=True, help="The journal: truth, and what may be done to it.")
app.command("export", epilog=journal_export.EPILOG)(journal_export.export)
app.command("snapshot", epilog=journal_snapshot.SNAPSHOT_EPILOG)(journal_snapshot.snapshot)
app.command("snapshots", epilog=journal_snapshot.SNAPSHOTS_EPILOG)(journal_snapshot.snapshots)
app.command("send", epilog=journal_send.SEND_EPILOG)(journal_send.send_command)
app.command("receive", epilog=journal_send.RECEIVE_EPILOG)(journal_send.receive_command)
