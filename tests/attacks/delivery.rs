//! Events that commit late, are refused, fail or grow old.
