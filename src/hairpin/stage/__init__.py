"""What people see: public documents, the private listener, broadcast outputs, metrics.

director    owns the running order: journals each step, then tells the others
past        the running order read back from the journal
documents   the model as public JSON documents, and what gates need of the running order
events      the model as events for wall and console; the wall's filter
gates       what all gates did, the dead ones included
history     how the answers came in, and how late the wall was
view        the latest of everything, and its events
streams     the same bytes to every browser that listens, and never a queue
commands    the steps that a producer may ask for
outputs     question, results and leaderboard as rows, CSV and XML for broadcast graphics
auth        the token of the private listener
private     the private listener's application
listener    its server, which lets go of a connection that becomes a stream
metrics     the same numbers for Prometheus
"""
