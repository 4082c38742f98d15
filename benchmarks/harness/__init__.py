"""How load is made, timed and written down."""
