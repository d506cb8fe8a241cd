"""Winners prove who they are, and the producer decides whose name is shown.

name        a claimed name, made fit for the giant screen or refused
contenders  who may claim: places, reserves and the deadline
desk        who has claimed and who was approved, in one file that can be deleted
"""
