"""asyncchat inside other tools."""
