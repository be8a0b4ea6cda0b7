//! Libraries so small, and so wholly public, that their tests need no binary of their own: each that is linked costs every
//! build of the tests. What is private to a library is tested beside its code, suite `unit`.

mod config;
mod fleet;
mod ids;
mod proto;
mod reasons;
mod reload;
