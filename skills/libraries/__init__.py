"""One file per library of skills."""
