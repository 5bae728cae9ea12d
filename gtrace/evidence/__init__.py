"""One reader per source of evidence: file -> table, checked; damage becomes data."""
