//! Why an object could not be stored or read.

use std::fmt;

/// Why an object could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More bytes than allowed.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The sender broke off.
    #[error("the upload broke off")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store failed.
    #[error("the object store failed")]
    Store(#[from] StoreError),
}

impl BlobError {
    /// Whether there is no such object: asking again will not help.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Store(StoreError { kind: Kind::Missing, .. }))
    }

    /// Whether the store has no such bucket, or refuses what we may do in it: somebody must change a setting or the store.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Store(StoreError { kind: Kind::NoBucket | Kind::Denied, .. }))
    }
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why the store failed, as one text. Servers repeat key ids and signatures in what they answer to a request; of such an answer
/// only the code is kept.
#[derive(Debug)]
pub struct StoreError {
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Missing,
    NoBucket,
    Denied,
    Other,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = match self.kind {
            Kind::NoBucket => "there is no bucket with the name in S3_BUCKET: ",
            Kind::Denied => {
                "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are wrong, or may not do this in the bucket: "
            }
            Kind::Missing | Kind::Other => "",
        };
        write!(f, "{hint}{}", self.text)
    }
}

impl std::error::Error for StoreError {}

/// Codes of S3 for keys that are unknown, wrong, or not allowed to do what was asked; the last one is what the Versity gateway answers to
/// an unknown key, with 404.
const DENIED: [&str; 7] = [
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "XAdminUserNotFound",
];

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        let whole = error::chain(&error).to_string();
        let code = between(&whole, "<Code>", "</Code>");
        let kind = match (code, &error) {
            (Some("NoSuchBucket"), _) => Kind::NoBucket,
            (Some(code), _) if DENIED.contains(&code) => Kind::Denied,
            // Much is "not found" to a store that is not an object, and what is taken for missing is forgotten.
            (None | Some("NoSuchKey"), object_store::Error::NotFound { .. }) => Kind::Missing,
            _ => Kind::Other,
        };
        let text = match whole.split_once('<') {
            Some((before, _)) => format!("{before}{}", code.unwrap_or("(an answer without a code)")),
            None => whole,
        };
        Self { kind, text }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: &str, body: &str) -> BlobError {
        let source = std::io::Error::other(format!("Server returned non-2xx status code: {status}: {body}"));
        object_store::Error::NotFound { path: "a/b".to_owned(), source: Box::new(source) }.into()
    }

    #[test]
    fn what_a_server_repeats_of_a_request_is_not_told_again() {
        let body = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
                    <AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId><StringToSign>secret</StringToSign></Error>";
        let error = answered("403 Forbidden", body);
        assert!(error.is_refusal() && !error.is_missing());
        let told = format!("{error:?} {}", error::chain(&error));
        assert!(
            told.contains("403 Forbidden: SignatureDoesNotMatch") && told.contains("S3_ACCESS_KEY_ID"),
            "{told}"
        );
        assert!(!told.contains("AKIAEXAMPLE") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn an_object_is_not_missing_because_its_bucket_is() {
        let gone = answered("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>");
        assert!(!gone.is_missing() && gone.is_refusal());
        let missing = answered("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>");
        assert!(missing.is_missing() && !missing.is_refusal());
        assert!(answered("", "").is_missing(), "as a directory says it");
        let unknown = answered("404 Not Found", "<Error><Code>WhoKnows</Code></Error>");
        assert!(!unknown.is_missing() && !unknown.is_refusal());
    }
}
