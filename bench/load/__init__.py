"""The load generator: compiled loops in a process of their own, on a core of their own."""
