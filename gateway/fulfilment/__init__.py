"""What is done with an order: dispatching, checking, sweeping. Knows no Dramatiq and no HTTP server.

Every function takes the `Worker` that holds its dependencies, so that each branch can be tested in one process.
"""
