"""The probe's decisions: what to ask a server, and what its answers prove."""
