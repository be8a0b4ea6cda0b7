//! What a hostile caller tries: one test or more for each finding of the review by attack.

mod answers;
mod connections;
mod definitions;
mod delivery;
mod direct;
mod fences;
mod hidden;
mod limits;
mod locks;
mod logins;
mod pages;
mod places;
mod powers;
mod shares;
