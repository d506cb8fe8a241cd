"""A whole night in one thread: the product's own code in a simulated world, from one seed.

The world is `universe`: virtual time (`loop`), chance, and the transcript; machines (`machine`)
with their clocks (`clock`) and disks (`disk`), processes (`process`) that can be killed at any
await, their threads (`lanes`), connections (`net`, `transport`) and news (`bus`, `wire`). Nothing
in it waits, and nothing is left to the real clock or to real chance: the same seed gives the same
night, byte for byte.

What happens in it is the `night`: a node that is started again when it dies, phones, a producer,
troubles by dice, and checkers that look on.
"""
