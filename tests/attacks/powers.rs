//! Giving and taking what one does not have.
