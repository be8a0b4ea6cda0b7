//! Writes by older definitions, and columns derived from values.
