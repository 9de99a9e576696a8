"""`make coverage`: the lines that no process of the test suite has run."""
