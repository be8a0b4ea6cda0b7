//! Every RPC dropped at every point where it waits, and what it leaves behind: nothing.

mod dropping;
mod fields;
mod identity;
mod records;
