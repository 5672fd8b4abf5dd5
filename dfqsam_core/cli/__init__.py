"""The command line: one small file a verb, one place that turns errors into exit codes."""
