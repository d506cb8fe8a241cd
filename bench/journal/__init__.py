"""What mirrors of the journal cost, and how fast a scrub reads."""
