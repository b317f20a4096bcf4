"""What maintainers run once, from the folder that holds it: ``python -m tools.ship_weights``, and so on."""
