"""Real servers that tests run against, as processes of their own on loopback addresses."""
