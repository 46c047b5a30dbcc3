"""The OpenAPI contract: that it is right, and that it can be used."""
