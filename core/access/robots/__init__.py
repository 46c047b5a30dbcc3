"""Robots: accounts of programs, what they may do, and when they last came."""
