//! The statements that are built of an object's fields, so that a change of SQL is a diff that a person reads.

use std::fmt::Write;

use super::same;

#[test]
fn the_statements_of_objects_are_the_committed_ones() {
    let committed = [
        ("contact", include_str!("statements/contact.sql")),
        ("company", include_str!("statements/company.sql")),
        ("note", include_str!("statements/note.sql")),
    ];
    let objects: Vec<_> = records::OBJECTS.iter().chain(activities::OBJECTS).collect();
    assert_eq!(objects.len(), committed.len(), "an object without its file");
    for (object, (name, text)) in objects.into_iter().zip(committed) {
        assert_eq!(object.name, name);
        let mut found = String::new();
        for (statement, sql) in object.statements().all() {
            writeln!(found, "-- {statement}\n{sql};\n").expect("a string takes all");
        }
        same(&format!("statements/{name}.sql"), text, &found);
    }
}
