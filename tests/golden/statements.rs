//! The statements that are built of an object's fields, so that a change of SQL is a diff that a person reads.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use super::same;
use crate::services::SERVICES;

#[test]
fn the_statements_of_objects_are_the_committed_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/statements");
    let mut files = BTreeSet::new();
    for object in SERVICES.iter().flat_map(|service| service.objects) {
        let file = format!("{}.sql", object.name);
        let mut found = String::new();
        for (statement, sql) in object.statements().all() {
            writeln!(found, "-- {statement}\n{sql};\n").expect("a string takes all");
        }
        // A new object has none yet: all of it differs.
        let committed = std::fs::read_to_string(folder.join(&file)).unwrap_or_default();
        same(&format!("statements/{file}"), &committed, &found);
        files.insert(file);
    }
    let committed = folder.read_dir().expect("a folder").map(|file| file.expect("a file").file_name());
    let committed: BTreeSet<_> = committed.map(|name| name.into_string().expect("a name")).collect();
    assert_eq!(committed, files, "a file without its object");
}
