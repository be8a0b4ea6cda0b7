//! A JSON writer for documents: knows where commas go, nothing else.

use crate::json::write;

/// Text under construction.
#[derive(Debug, Default)]
pub(super) struct Json {
    out: Vec<u8>,
}

impl Json {
    /// `{ … }`
    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(b'{');
        fill(self);
        self.out.push(b'}');
    }

    /// `[ … ]`
    pub(super) fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(b'[');
        fill(self);
        self.out.push(b']');
    }

    /// `"name":`, to be followed by one value.
    pub(super) fn key(&mut self, name: &str) -> &mut Self {
        self.text(name);
        self.out.push(b':');
        self
    }

    pub(super) fn text(&mut self, text: &str) {
        self.separate();
        write::string(&mut self.out, text);
    }

    pub(super) fn integer(&mut self, value: impl itoa::Integer) {
        self.separate();
        write::integer(&mut self.out, value);
    }

    pub(super) fn double(&mut self, value: f64) {
        self.separate();
        write::float(&mut self.out, value, value.is_finite());
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.separate();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(super) fn null(&mut self) {
        self.separate();
        self.out.extend_from_slice(b"null");
    }

    /// Members whose values are text.
    pub(super) fn texts(&mut self, members: &[(&str, &str)]) {
        for (name, text) in members {
            self.key(name).text(text);
        }
    }

    /// A value follows another one unless it is the first or follows its key.
    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }

    pub(super) fn finish(self) -> String {
        // Only text has been written.
        String::from_utf8(self.out).unwrap_or_default()
    }
}
