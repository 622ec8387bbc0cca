"""The sender of webhooks."""
