"""Results of backtests: the report of one, and the comparison of several; as JSON, text and HTML.

Imports analysis and report (figures, charts, page) and the table of a backtest.
"""
