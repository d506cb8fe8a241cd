"""A whole night in one thread: the product's own code in a simulated world, from one seed.

`universe` is the world: virtual time (`loop`), chance, processes (`process`) on machines
(`machine`), their clocks (`clock`), disks (`disk`), threads (`lanes`), connections (`net`) and news
(`bus`). Nothing in it waits, and nothing in it is left to the real clock or to real chance: the
same seed gives the same night, byte for byte.
"""
