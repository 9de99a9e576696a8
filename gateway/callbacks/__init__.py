"""Callbacks: verifying their sender, and reading their content. Knows no HTTP server and no database."""
