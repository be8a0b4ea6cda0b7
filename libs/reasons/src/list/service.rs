//! The installation itself; a gRPC status without details gets the reason of its code.

use crate::entries::reasons;

reasons! {
    /// A defect, or something that should not happen. Nothing about it is said but the request's id, `instance`.
    INTERNAL [500] "Internal",
        "Report `instance` to the operator.";
    /// A service does not answer at the moment.
    UNAVAILABLE [503] "Unavailable",
        "Wait for `Retry-After` and send the request again.";
    /// Users and teams that the request refers to cannot be checked at the moment, or their names are missing from the answer.
    IDENTITY_UNAVAILABLE [503, warning] "Identity unavailable",
        "Wait for `Retry-After` and send the request again; an answer with the warning is right but for the names.";
    /// Contacts and companies that the request refers to cannot be checked at the moment, or their names are missing from the answer.
    RECORDS_UNAVAILABLE [503, warning] "Records unavailable",
        "Wait for `Retry-After` and send the request again; an answer with the warning is right but for the names.";
    /// Deals that the request refers to cannot be checked at the moment, or their names are missing from the answer.
    PIPELINE_UNAVAILABLE [503, warning] "Pipeline unavailable",
        "Wait for `Retry-After` and send the request again; an answer with the warning is right but for the names.";
    /// Activities and notes that the answer needs cannot be read at the moment.
    ACTIVITIES_UNAVAILABLE [503] "Activities unavailable",
        "Wait for `Retry-After` and send the request again.";
    /// The request took too long. Whether it happened is not known.
    DEADLINE_EXCEEDED [504] "Deadline exceeded",
        "Read what you wanted to change before you send it again; with an `Idempotency-Key` it is safe to repeat.";
    /// The request was cancelled before its end.
    CANCELLED [499] "Cancelled",
        "Send the request again if you need its answer.";
    /// The database is not available.
    DATABASE_UNAVAILABLE [503] "Database unavailable",
        "Wait for `Retry-After` and send the request again.";
    /// The database took too long.
    DATABASE_TIMEOUT [504] "Database timeout",
        "Send the request again; ask for less at once if it repeats.";
    /// A service refused the request without saying why.
    INVALID_ARGUMENT [400, 422] "Invalid argument",
        "Compare the request with the method at `/docs`.";
    /// A service refused the credentials without saying why.
    UNAUTHENTICATED [401] "Unauthenticated",
        "Log in.";
    /// A service did not find what was asked for, and did not say what.
    NOT_FOUND [404] "Not found",
        "Check the ids of the request.";
    /// A service refused to create what exists, and did not say what.
    ALREADY_EXISTS [409] "Already exists",
        "Read what exists.";
    /// A service refused the request in the state that the thing is in, and did not say why.
    FAILED_PRECONDITION [409] "Failed precondition",
        "Read the record before you try again.";
    /// A service gave the request up because of another one.
    ABORTED [409] "Aborted",
        "Send the request again.";
    /// A service has no room for the request.
    RESOURCE_EXHAUSTED [429] "Resource exhausted",
        "Wait and send the request again.";
    /// A service does not know the method.
    UNIMPLEMENTED [501] "Unimplemented",
        "Compare the method with the published protos.";
}
