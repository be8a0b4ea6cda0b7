//! Guessing, locking out, sessions and invitations.
