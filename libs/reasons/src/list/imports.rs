//! Uploads, imports and other operations.

use crate::entries::reasons;

reasons! {
    /// No such operation, or it is not yours.
    OPERATION_NOT_FOUND [404] "Operation not found",
        "Check the id; operations are removed after some weeks.";
    /// The upload has no bytes.
    UPLOAD_EMPTY [violation] "Upload empty",
        "Send the file as the body of the request.";
    /// The upload was removed before the import had read it.
    UPLOAD_GONE [operation, violation] "Upload gone",
        "Upload the file again and create a new import.";
    /// The file has no header or no rows.
    FILE_EMPTY [operation, violation] "File empty",
        "Send a CSV file with a header and rows.";
    /// The file is not text that can be decoded.
    FILE_NOT_TEXT [operation, violation] "File not text",
        "Save the file as CSV in UTF-8.";
    /// The header of the file has a column of the mapping more than once. The operation's errors name it.
    COLUMN_REPEATED [operation, violation] "Column repeated",
        "Give every column of the file that is mapped a name of its own.";
    /// The mapping names columns that the file does not have. The operation's errors name them, and those that the file has.
    COLUMN_MISSING [operation, violation] "Column missing",
        "Compare the mapping's columns with the file's header.";
    /// The file has more columns than an import reads.
    TOO_MANY_COLUMNS [operation, violation] "Too many columns",
        "Take out columns that the mapping does not use.";
    /// The file has more rows than an import reads.
    TOO_MANY_ROWS [operation, violation] "Too many rows",
        "Split the file.";
    /// A row is longer than an import reads; a quote that is never closed is the usual cause.
    ROW_TOO_LONG [operation, violation] "Row too long",
        "Correct the quotes of that row, or shorten its cells.";
    /// A quote that opens a cell is never closed. Where the rows behind it begin cannot be known, so nothing is made of them.
    QUOTE_OPEN [operation, violation] "Quote open",
        "Close the quote at that line, and write quotes within a cell twice.";
    /// A cell that does not begin with a quote has one in it.
    QUOTE_IN_CELL [operation, violation] "Quote in cell",
        "Put the whole cell within quotes, without blanks before them, and write its own quotes twice. A file without quoting is imported with `quote` `none`.";
    /// There is text between the quote that closes a cell and the next delimiter.
    TEXT_AFTER_QUOTE [operation, violation] "Text after quote",
        "Write quotes within a cell twice, and nothing behind the one that closes it.";
    /// A row has more cells than the header has columns.
    TOO_MANY_CELLS [violation] "Too many cells",
        "Put cells that have the delimiter in them within quotes.";
    /// There are bytes that are not of the encoding in which the file is read. `detected` of the operation names it.
    ENCODING_INVALID [operation, violation] "Encoding invalid",
        "Save the file in one encoding, best in UTF-8, or name its encoding in `encoding`.";
    /// The encoding of the file is not known: its label names none, or nothing names it and it is not Unicode.
    ENCODING_UNKNOWN [operation, violation] "Encoding unknown",
        "Save the file in UTF-8, or name its encoding in `encoding`.";
    /// The mapping was valid when the import was created, and is not any more: a field has changed, or what you may see of it.
    MAPPING_INVALID [operation, violation] "Mapping invalid",
        "Create a new import with fields that exist.";
    /// The import was begun too many times without coming to its end.
    TOO_MANY_ATTEMPTS [operation] "Too many attempts",
        "Create a new import of a smaller file; if that fails too, report the operation's id.";
    /// The stored request of the import cannot be read.
    REQUEST_UNREADABLE [operation] "Request unreadable",
        "Create the import again.";
    /// The values of the row belong to several records, so that it cannot be told which of them is to be changed.
    DUPLICATE_AMBIGUOUS [violation] "Duplicate of several records",
        "Correct the row, or the records: `column` names the value that belongs to another record.";
    /// Several records that you may see have this name.
    REFERENCE_AMBIGUOUS [violation] "Reference ambiguous",
        "Name the record by a value that it alone has, such as the domain of a company.";
    /// A batch of an import took too long; the import goes on with it later.
    BATCH_TOO_LONG [503] "Batch took too long",
        "Wait: the import tries again by itself.";
    /// The storage for uploads does not answer.
    BLOBS_UNAVAILABLE [503] "Upload storage unavailable",
        "Wait for `Retry-After` and upload again.";
    /// The organization has as many uploads, or bytes of them, as it may have. `meta` names the quota and its limit.
    UPLOADS_TOO_MANY [429] "Too many uploads",
        "Use uploads that exist, or wait until old ones are removed.";
    /// The organization has as many operations as it may have. `meta` names the quota and its limit.
    OPERATIONS_TOO_MANY [429] "Too many operations",
        "Wait until operations have ended, or old ones are removed.";
}
