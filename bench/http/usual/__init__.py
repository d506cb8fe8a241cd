"""The same service written the usual way, with the usual frameworks."""
