//! What a hidden field, record or owner gives away.
