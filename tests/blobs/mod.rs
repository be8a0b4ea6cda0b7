//! Uploaded files in a directory and in a bucket of a real S3 server: the same must hold for both (`kept.rs`). Then what only a server
//! can do to us (`away.rs`, `trust.rs`), and the way of a whole import (`imports.rs`).

mod away;
mod imports;
mod kept;
mod store;
mod trust;
