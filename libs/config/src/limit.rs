/// A limit that clients meet and that no setting changes; `docs/api.md` lists them.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What it limits: `custom fields of an object`.
    pub of: &'static str,
    /// The most there may be, or the least where `of` says so.
    pub number: u64,
    /// What is counted, where `of` does not say it: `characters`, `bytes`.
    pub unit: &'static str,
}

impl Limit {
    /// A limit as its document lists it.
    pub const fn new(of: &'static str, number: u64, unit: &'static str) -> Self {
        Self { of, number, unit }
    }
}
