//! What a busy tenant takes from a quiet one, by ratios of counts, never of times.
