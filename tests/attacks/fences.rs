//! Writes begun before a revoke.
