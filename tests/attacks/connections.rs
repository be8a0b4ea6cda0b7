//! What one tenant may take of the database.
