//! Lists: filter, order, pages, selections.

use crate::entries::reasons;

reasons! {
    /// The filter cannot be read. `meta.position` is where, in characters from the beginning.
    FILTER_INVALID [400] "Filter invalid",
        "Correct the filter at that position. `docs/api.md` describes the syntax.";
    /// The filter has more comparisons, levels or listed values than it may.
    FILTER_TOO_COMPLEX [400] "Filter too complex",
        "Ask with several simpler filters.";
    /// The filter compares a field with a value of another type, with an option that the field does not have, or with an operator
    /// that the type does not have.
    FILTER_TYPE_MISMATCH [400] "Filter type mismatch",
        "Compare with a value of the field's type, or with the key of one of its options; both are written in quotes where they are texts.";
    /// The filter or order uses a field that has no index, over more than 20,000 records and without a condition by which an
    /// index leaves at most that many; or it looks for a prefix of a custom field that has no index.
    FIELD_NOT_INDEXED [422] "Field not indexed",
        "Where `meta.action` is `index`, give the custom field an index; else filter by an indexed field as well, and narrowly.";
    /// `order_by` cannot be read, or has too many or repeated keys.
    ORDER_INVALID [400] "Order invalid",
        "Send up to three fields, each with ` desc` or not, separated by commas.";
    /// `fields` cannot be read.
    FIELDS_INVALID [400] "Fields invalid",
        "Send names of fields, separated by commas.";
    /// `include` names something that cannot be included.
    INCLUDE_INVALID [400] "Include invalid",
        "Send names that `detail` lists, separated by commas, or leave it out.";
    /// `types` names something that timelines have no entries of.
    TIMELINE_TYPE_UNKNOWN [400] "Timeline type unknown",
        "Send types that `detail` names, separated by commas, or leave `types` out.";
    /// The page would be too large with all the names that `include` asks for: some are missing.
    NAMES_OMITTED [warning] "Names omitted",
        "Ask for fewer records at once with `page_size`, or include less.";
    /// `page_size` is below 1 or above the maximum.
    PAGE_SIZE_INVALID [400] "Page size invalid",
        "Send a size from 1 to the maximum that `detail` names.";
    /// `page_token` is not a token that a list gave.
    PAGE_TOKEN_INVALID [400] "Page token invalid",
        "Send `next_page_token` of the page before as it is, or begin with the first page.";
    /// The page token belongs to a list with another filter or order, or what you may see has changed since.
    PAGE_TOKEN_MISMATCH [400] "Page token mismatch",
        "Keep the other parameters the same from page to page, or begin with the first page.";
    /// `types` names something that changes cannot be followed of.
    SYNC_TYPE_UNKNOWN [400] "Type unknown",
        "Send types that `detail` names, separated by commas, or leave `types` out.";
    /// `cursor` is not a cursor that `GET /sync` gave.
    CURSOR_INVALID [400] "Cursor invalid",
        "Send `next_cursor` of the answer before as it is, or begin without one.";
    /// The cursor belongs to another caller, or to other `types`.
    CURSOR_MISMATCH [400] "Cursor mismatch",
        "Send the cursor with the credentials and the `types` that it was given for, or begin without one.";
    /// What has changed since the cursor was given is not known any more: it is older than 30 days.
    CURSOR_EXPIRED [410] "Cursor expired",
        "Forget what you have, and begin without a cursor.";
    /// The list was asked for more than one answer can hold.
    ANSWER_TOO_LARGE [500] "Answer too large",
        "Ask for less at once, with `page_size` and `fields`.";
}
