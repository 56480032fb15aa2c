"""From a committed change to every socket that it concerns."""
