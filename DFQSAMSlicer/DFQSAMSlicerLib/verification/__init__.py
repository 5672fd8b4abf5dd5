"""What Reload & Test does: a walk through the module on the sample, each step timed, told in one HTML page."""
