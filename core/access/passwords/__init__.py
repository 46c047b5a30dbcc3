"""Users who prove who they are by a password, and what slows down those who guess one."""
