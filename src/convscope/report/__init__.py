"""Records, tables and runs as people read them: the terminal, the HTML report. The only place that formats."""
