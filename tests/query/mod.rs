//! Filters, orders and pages against a real PostgreSQL with row level security, compared with an evaluation in memory.

mod filters;
mod fixture;
mod generate;
mod oracle;
mod paging;
mod plans;
