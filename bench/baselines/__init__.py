"""What the servers are compared with: the same job done with other tools."""
