//! Every RPC dropped at every point where it waits, and what it leaves behind: nothing.

mod activities;
mod dropping;
mod fields;
mod identity;
mod notifications;
mod pipeline;
mod records;
