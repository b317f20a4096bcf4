"""Standard tests under their exact protocols."""
