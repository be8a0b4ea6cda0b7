use reasons::Reason;

/// One violation of one value.
///
/// The texts are public: they name the rule, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct FieldError {
    /// Callers branch on it.
    pub reason: Reason,
    /// A sentence for people.
    pub detail: String,
    /// Where below the value, as a JSON pointer: empty for the value itself, `/currency`, `/2`.
    pub pointer: String,
}

impl FieldError {
    /// A violation of the value itself.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), pointer: String::new() }
    }

    /// The same violation, found below the value at `pointer` (which begins with `/`).
    #[must_use]
    pub fn at(mut self, pointer: impl AsRef<str>) -> Self {
        self.pointer.insert_str(0, pointer.as_ref());
        self
    }
}
