//! Places in flight, slow bodies and answers that nobody reads.
