"""The node: the one place that knows which engines are real and which rooms run in which process.

data        what lies in a data directory, and to which show it belongs
stage       the process of director, tally keeper, claims desk and private listener
gate        a gate process
family      children forked from a warmed parent, watched, restarted and ended
run         all of it together
"""
