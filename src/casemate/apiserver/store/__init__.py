"""Where the API's objects live: in memory to be read, in one SQLite file to last."""
