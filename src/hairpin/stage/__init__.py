"""What people see: public documents, the private listener, broadcast outputs, metrics.

documents   the model as public JSON documents, and what gates need of the running order
events      the model as events for wall and console; the wall's filter
view        the latest of everything, and one bounded event stream per browser
commands    the steps that a producer may ask for
outputs     question, results and leaderboard as rows, CSV and XML for broadcast graphics
auth        the token of the private listener
private     the private listener's application
metrics     the same numbers for Prometheus
"""
