//! The RPCs of notifications.

use super::Table;
use super::row::get;

pub fn table() -> Table {
    let rows = vec![
        get("ListEventTypes", "/event-types"),
        get("Sync", "/sync"),
        get("Sync", "/sync?types=contact,deal&limit=10"),
    ];
    Table { rows, internal: Vec::new(), planted: Vec::new() }
}
