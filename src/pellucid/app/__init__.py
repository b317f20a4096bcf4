"""A page for people and a service for programs, over the same road that the command takes."""
