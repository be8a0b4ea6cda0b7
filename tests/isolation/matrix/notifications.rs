//! The RPCs of notifications.

use super::Table;
use super::row::get;

pub fn table() -> Table {
    let rows = vec![get("ListEventTypes", "/event-types")];
    Table { rows, internal: Vec::new(), planted: Vec::new() }
}
