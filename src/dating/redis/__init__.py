"""Redis or Valkey, a server or a cluster, as several processes share it: thin connections, and a deadline for each question."""
