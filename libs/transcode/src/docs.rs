//! Comments of a proto file, by their path in the descriptor.

use std::collections::BTreeMap;
use std::rc::Rc;

use proto::descriptor::FileDescriptor;

/// The leading comments of one file.
#[derive(Debug, Clone)]
pub(crate) struct Docs(Rc<BTreeMap<Vec<i32>, String>>);

impl Docs {
    pub(crate) fn of(file: &FileDescriptor) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let comments = locations.filter_map(|location| {
            let text = location.leading_comments.as_ref()?;
            Some((location.path.clone(), tidy(text)))
        });
        Self(Rc::new(comments.collect()))
    }

    /// The comment without the blanks that follow the slashes; empty when there is none.
    pub(crate) fn get(&self, path: &[i32]) -> String {
        self.0.get(path).cloned().unwrap_or_default()
    }
}

fn tidy(comment: &str) -> String {
    let lines: Vec<&str> = comment.lines().map(str::trim).collect();
    lines.join("\n").trim().to_owned()
}
