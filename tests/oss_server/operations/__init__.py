"""What can be asked of the service: one module per family, a table of routes over all of them."""
