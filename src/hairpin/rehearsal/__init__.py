"""The rehearsal: a synthetic crowd over real TCP, and the ledger that audits the night."""
