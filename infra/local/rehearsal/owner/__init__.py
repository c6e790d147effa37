"""The application that owns the table: it writes all the time and keeps a journal, by none of the migration's code."""
