//! A value that is not what its member takes.

use crate::entries::reasons;

reasons! {
    /// The resource has no such member, or you may not see it: both answer the same. In a list, the filter, order or selection names it.
    UNKNOWN_FIELD [400, violation] "Unknown field",
        "Correct the name. `/docs` lists the standard fields, `GET /objects/{object}/fields` the custom ones.";
    /// A value is needed and was not sent, or is empty.
    REQUIRED [violation] "Required",
        "Send a value.";
    /// The value has another JSON type than is expected.
    TYPE_MISMATCH [violation] "Type mismatch",
        "Send a value of the type that `detail` names.";
    /// A number lies outside its limits.
    OUT_OF_RANGE [violation] "Out of range",
        "Send a number within the limits that `detail` names.";
    /// The number has more digits than a decimal field keeps.
    DECIMAL_TOO_PRECISE [violation] "Decimal too precise",
        "Round the number to the digits that `detail` names.";
    /// The text has fewer characters than it must.
    TOO_SHORT [violation] "Too short",
        "Send a longer text; `detail` says how long.";
    /// The text has more characters (Unicode scalar values, of its NFC) or bytes than it may.
    TOO_LONG [violation] "Too long",
        "Send a shorter text; `detail` says how long it may be.";
    /// The text contains U+0000, which no text may.
    NUL_CHARACTER [violation] "NUL character",
        "Take the character out.";
    /// The text contains control characters, or a line break where one line is expected.
    TEXT_CONTROL_CHARACTER [violation] "Control character in a text",
        "Take the control characters out.";
    /// The list has fewer elements than it must.
    TOO_FEW_ITEMS [violation] "Too few items",
        "Send more elements; `detail` says how many.";
    /// The list or map has more elements than it may.
    TOO_MANY_ITEMS [violation] "Too many items",
        "Send fewer elements; `detail` says how many there may be.";
    /// The element is in the list more than once; the pointer names the later one.
    REPEATED [violation] "Repeated",
        "Send each element once.";
    /// The value is not one of the named values.
    ENUM_VALUE_UNKNOWN [violation] "Enum value unknown",
        "Send one of the values that `/docs` lists for the member.";
    /// The text is not an id: a UUID of 36 characters with hyphens.
    UUID_INVALID [violation] "UUID invalid",
        "Send the id as an answer gave it.";
    /// The text is not a point in time as RFC 3339 writes it.
    TIMESTAMP_INVALID [violation] "Timestamp invalid",
        "Send a time like `2026-01-31T08:00:00Z`.";
    /// The text is not a date.
    DATE_INVALID [violation] "Date invalid",
        "Send a date as `YYYY-MM-DD`.";
    /// The date or time must not be later than now.
    DATE_IN_FUTURE [violation] "Date in the future",
        "Send a date that has passed.";
    /// The time must be later than now.
    EXPIRY_IN_THE_PAST [violation] "Expiry in the past",
        "Send a time in the future.";
    /// The text is not base64.
    BASE64_INVALID [violation] "Base64 invalid",
        "Send the bytes in base64.";
    /// The text is not an e-mail address.
    EMAIL_INVALID [violation] "E-mail address invalid",
        "Correct the address.";
    /// The text is not a phone number, or has no country code and the organization no default region.
    PHONE_INVALID [violation] "Phone number invalid",
        "Send the number with `+` and its country code.";
    /// The text is not an http or https URL.
    URL_INVALID [violation] "URL invalid",
        "Send a complete URL that begins with `https://` or `http://`.";
    /// The text is not an internet domain.
    DOMAIN_INVALID [violation] "Domain invalid",
        "Send a domain like `acme.com`, without protocol or path.";
    /// The text is not an amount with a currency, or has more decimals than the currency.
    MONEY_INVALID [violation] "Money invalid",
        "Send an amount like `1250.00 EUR`.";
    /// The text is not a currency code of ISO 4217.
    CURRENCY_UNKNOWN [violation] "Currency unknown",
        "Send a code like `EUR`.";
    /// The text is not a country code of ISO 3166-1.
    COUNTRY_UNKNOWN [violation] "Country unknown",
        "Send a code of two letters like `AT`.";
    /// The text is not a language tag of BCP 47, or a subtag of it is not in the registry.
    LANGUAGE_INVALID [violation] "Language invalid",
        "Send a tag like `de-AT`.";
    /// The text is not a time zone of the tz database (IANA).
    TIMEZONE_INVALID [violation] "Time zone invalid",
        "Send a name like `Europe/Vienna`.";
}
