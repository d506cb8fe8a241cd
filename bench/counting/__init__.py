"""What counting costs: this product's journal and tally, and what others would use in their place.

`counting.PLAN` compares schemes on the same answers; `tally.PLAN` measures the tally alone.
"""
