//! A reader of calendars in another language: the package `icalendar` of Python.

use serde_json::Value;

use crate::python::Python;

const READER: Python = Python {
    script: "activities/calendar/read.py",
    requirements: "activities/calendar/requirements.txt",
    packages: "icalendar-7.3.2",
};

/// What the program reads of a calendar: `entries` with what each component says, `errors` that it found, and the `zones` that the calendar
/// describes.
pub(super) fn read(calendar: &str) -> Value {
    let read = READER.ask(&[], calendar.as_bytes());
    let read = read.unwrap_or_else(|said| panic!("the program read no calendar:\n{said}\n{calendar}"));
    serde_json::from_slice(&read).unwrap()
}
