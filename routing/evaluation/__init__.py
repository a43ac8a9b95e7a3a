"""How good a router is: measures, intervals, estimates from logs, reports."""
