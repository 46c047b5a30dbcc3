"""What finds out who asks, made of the settings."""
