//! The path of a created resource, filled from the answer.

use crate::percent;

/// A path with members of the answer in it.
#[derive(Debug)]
pub(crate) struct Location {
    /// Literal text, and the field that follows it.
    parts: Vec<(String, Option<Text>)>,
}

/// A text of the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    /// The place of the text, or of the message that has it.
    pub(crate) at: usize,
    /// The number of the text in that message.
    pub(crate) within: Option<u32>,
}

impl Location {
    /// `/api/v1/contacts/{id}`, or `{operation.id}` for a member of a member; `find` gives the place of a text field.
    pub(crate) fn compile(template: &str, find: impl Fn(&str) -> Option<Text>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((literal, tail)) = rest.split_once('{') {
            let (name, tail) = tail.split_once('}').ok_or("the location has an open brace")?;
            let field =
                find(name).ok_or_else(|| format!("the location's `{name}` is no text of the answer"))?;
            parts.push((literal.to_owned(), Some(field)));
            rest = tail;
        }
        parts.push((rest.to_owned(), None));
        Ok(Self { parts })
    }

    /// `value`: the text of a field; `None` when it is not set, and then there is no location.
    pub(crate) fn fill<'w>(&self, value: impl Fn(Text) -> Option<&'w str>) -> Option<String> {
        let mut path = String::new();
        for (literal, field) in &self.parts {
            path.push_str(literal);
            if let Some(field) = field {
                percent::encode_segment(value(*field).filter(|text| !text.is_empty())?, &mut path);
            }
        }
        Some(path)
    }
}
