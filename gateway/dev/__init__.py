"""For development machines; production never imports it."""
