//! One test binary: journey, isolation, permissions, faults, golden, api.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod query;
#[cfg(test)]
mod catalog;
#[cfg(test)]
mod database;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod events;
