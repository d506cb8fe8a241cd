"""The tally: what the journal says, counted. Everything here can be deleted and rebuilt."""
