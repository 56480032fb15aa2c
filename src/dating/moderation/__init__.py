"""What moderators and administrators do: cases, decisions, appeals, roles."""
