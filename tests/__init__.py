"""The tests of Moorage, against real parts wherever there are any."""
