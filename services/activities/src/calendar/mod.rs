//! Activities as calendars (iCalendar, RFC 5545): the feed of a user, and one activity as a file.
//!
//! They are written here, as no crate fits: `icalendar` (0.17) puts a time stamp and a random id into each part of a time zone, so that no two
//! answers were the same, and the last release of `ics` is of 2021.

mod entry;
mod export;
mod feed;
mod lines;
mod store;
mod times;
mod zones;

use prost::bytes::Bytes;
use proto::activities::v1 as pb;
use sha2::{Digest, Sha256};

pub(crate) use export::export;
pub use feed::CalendarOwner;
pub(crate) use feed::{MAX_ENTRIES, calendar_owner, feed};

use lines::Lines;
use zones::Zones;

/// How a time is written, and a day.
const CLOCK: &str = "%Y%m%dT%H%M%S";
const DATE: &str = "%Y%m%d";
/// Seconds of a day.
const DAY: i64 = 86_400;

/// The type of a calendar's bytes.
const CONTENT_TYPE: &str = "text/calendar; charset=utf-8";
/// Bytes of one message.
const PIECE: usize = 256 << 10;

/// For whom activities are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Among others: what calendar programs show at a time.
    Feed,
    /// By itself.
    File,
}

/// A calendar, and the entity tag of its bytes.
#[derive(Debug)]
pub(crate) struct Calendar {
    text: String,
    etag: String,
}

impl Calendar {
    fn of(activities: &[pb::Activity], form: Form) -> Self {
        let (mut zones, mut entries) = (Zones::default(), Lines::default());
        for activity in activities {
            entry::write(&mut entries, &mut zones, activity, form);
        }
        let mut lines = Lines::default();
        lines.component("VCALENDAR", |lines| {
            lines.put("VERSION", "2.0");
            lines.put("PRODID", "-//GlobCRM//Activities//EN");
            lines.put("CALSCALE", "GREGORIAN");
            lines.put("METHOD", "PUBLISH");
            if form == Form::Feed {
                // What programs ask for: RFC 7986, and the names from before it.
                lines.text("NAME", "GlobCRM");
                lines.text("X-WR-CALNAME", "GlobCRM");
                lines.put("REFRESH-INTERVAL;VALUE=DURATION", "PT1H");
                lines.put("X-PUBLISHED-TTL", "PT1H");
            }
            zones.write(lines);
            lines.append(entries);
        });
        let text = lines.into_text();
        let digest = Sha256::digest(text.as_bytes());
        let etag = hex::encode(&digest[..16]);
        Self { text, etag }
    }

    /// The calendar as messages of a stream, of which only the first names the type and the tag.
    pub(crate) fn pieces<T>(self, message: impl Fn(String, Bytes, String) -> T) -> Vec<T> {
        let bytes = Bytes::from(self.text);
        let named = |at: usize, text: &str| if at == 0 { text.to_owned() } else { String::new() };
        let piece = |at: usize| bytes.slice(at..bytes.len().min(at + PIECE));
        let pieces = (0..bytes.len()).step_by(PIECE);
        pieces.map(|at| message(named(at, CONTENT_TYPE), piece(at), named(at, &self.etag))).collect()
    }
}
