-- How many touched keys have several assertions: mostly none. Read by sinks/derive.py.
SELECT count() FROM {several}
