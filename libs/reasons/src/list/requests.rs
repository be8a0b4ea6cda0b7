//! A request that cannot be read, or that asks for something that is not there.

use crate::entries::reasons;

reasons! {
    /// The request was read, and values in it are not valid. `errors` lists all violations that were found together, each with a JSON
    /// pointer to the value and a reason of its own.
    VALIDATION_FAILED [422] "Validation failed",
        "Correct the values that `errors` points to and send the request again.";
    /// No such path is served.
    ROUTE_NOT_FOUND [404] "Route not found",
        "Compare the path with the list at `/docs`.";
    /// There is no help page for this reason.
    PROBLEM_NOT_FOUND [404] "Problem not found",
        "Look at the list of reasons at `/problems`.";
    /// The path exists, but does not take this method.
    METHOD_NOT_ALLOWED [405] "Method not allowed",
        "Use one of the methods in the `Allow` header of the answer.";
    /// The path is not percent-encoded UTF-8.
    PATH_MALFORMED [400] "Path malformed",
        "Encode the path's segments as RFC 3986 says.";
    /// The request has no `Host` header, or several.
    HOST_MALFORMED [400] "Host malformed",
        "Send exactly one `Host` header.";
    /// A header holds characters other than printable ASCII.
    HEADER_MALFORMED [400] "Header malformed",
        "Send the header named in `detail` in printable ASCII.";
    /// The query has a parameter that is unknown, repeated or not readable. `errors` names each with a reason of its own.
    QUERY_MALFORMED [400] "Query malformed",
        "Correct the parameters that `errors` names.";
    /// The method has no query parameter of this name.
    UNKNOWN_PARAMETER [violation] "Unknown parameter",
        "Take the parameter out, or look up its name at `/docs`.";
    /// A query parameter that holds one value was sent more than once.
    REPEATED_PARAMETER [violation] "Repeated parameter",
        "Send the parameter once.";
    /// A query parameter is not percent-encoded UTF-8.
    MALFORMED_PARAMETER [violation] "Malformed parameter",
        "Encode the parameter's value as RFC 3986 says.";
    /// A body, or a value inside it, is not the JSON that is expected; a repeated member counts as malformed, too.
    JSON_MALFORMED [400, violation] "JSON malformed",
        "Send valid JSON in UTF-8; `detail` says what is wrong, and where.";
    /// A body was sent where none is taken, or is missing where one is needed.
    BODY_MALFORMED [400] "Body malformed",
        "Send the body that the method has at `/docs`.";
    /// The connection ended before the whole body had arrived.
    BODY_BROKEN [400, 499] "Body broken off",
        "Send the request again.";
    /// The body did not arrive in time.
    BODY_TOO_SLOW [408] "Body too slow",
        "Send the body without pauses, or over a faster connection.";
    /// The body is larger than this path takes: 1 MiB of JSON, 100 MiB of an upload.
    BODY_TOO_LARGE [413] "Body too large",
        "Split what you send into several requests.";
    /// The body has another media type than this path takes.
    CONTENT_TYPE_UNSUPPORTED [415] "Content type unsupported",
        "Send JSON with `Content-Type: application/json`; an upload as its bytes with their own type, not as a form.";
    /// An upload does not say what its bytes are.
    CONTENT_TYPE_MISSING [400] "Content type missing",
        "Send the `Content-Type` of the bytes.";
    /// The body is compressed, which is not supported.
    CONTENT_ENCODING_UNSUPPORTED [415] "Content encoding unsupported",
        "Send the body without `Content-Encoding`.";
    /// A gRPC message cannot be read: broken off, compressed, too large, or not the method's message.
    MESSAGE_MALFORMED [400] "Message malformed",
        "Send one uncompressed message, built from the published protos.";
    /// The gRPC service has no method of this name.
    METHOD_UNKNOWN [501] "Method unknown",
        "Compare service and method with the published protos.";
    /// `If-Match` is neither `*` nor a list of entity tags of a record.
    IF_MATCH_MALFORMED [400] "If-Match malformed",
        "Send the `ETag` of the record as it was given, like `\"3\"`, or several with commas between them.";
    /// This method does not take `If-Match`.
    IF_MATCH_NOT_SUPPORTED [400] "If-Match not supported",
        "Send the request without `If-Match`.";
    /// `Idempotency-Key` is empty, too long or not visible ASCII.
    IDEMPOTENCY_KEY_MALFORMED [400] "Idempotency key malformed",
        "Send a key of 1 to 255 visible ASCII characters, such as a UUID.";
    /// This method does not take `Idempotency-Key`; often because its answer holds a secret, which is not kept.
    IDEMPOTENCY_KEY_NOT_SUPPORTED [400] "Idempotency key not supported",
        "Send the request without `Idempotency-Key`.";
    /// The first call with this key is still running.
    IDEMPOTENCY_KEY_IN_USE [409] "Idempotency key in use",
        "Wait for `Retry-After` and send the same request again: it gets the first call's answer.";
    /// The key was used for another request.
    IDEMPOTENCY_KEY_REUSED [422] "Idempotency key reused",
        "Use a new key for every new request; send the very same body only to repeat one.";
    /// An internal call names more ids than one call may have.
    TOO_MANY_IDS [400] "Too many ids",
        "Ask with several calls.";
}
