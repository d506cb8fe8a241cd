"""Fan-out: one result to thousands of event streams, until the last one has it."""
