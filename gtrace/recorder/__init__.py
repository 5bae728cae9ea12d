"""All that runs inside the traced process; imports neither pandas nor plotly."""
