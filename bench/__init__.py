"""The bench: what an answer costs, beside what others cost. `python -m bench --help`."""
