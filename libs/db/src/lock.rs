//! Numbers of advisory locks.

/// The lock of what this digest names: its first 64 bits. All locks of a schema are one space, so the digest must be one that
/// nobody can steer (SHA-256): two names of one number would let one client hold up another.
pub fn lock_of(digest: &[u8; 32]) -> i64 {
    digest.first_chunk::<8>().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}
