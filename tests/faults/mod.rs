//! Killed, paused and cut-off processes.

mod backing;
