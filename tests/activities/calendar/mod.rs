//! Activities as calendars: what is in the feed of a user, and what a program of another language reads of it.

mod clocks;
mod entries;
mod feeds;
mod foreign;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use serde_json::Value;
use tonic::Request;

use super::world::{Caller, Refusal, World};
use crate::world::done;

/// A calendar as it came.
struct Calendar {
    content_type: String,
    etag: String,
    text: String,
}

impl Calendar {
    /// The components of activities, as the foreign program reads them.
    fn entries(&self) -> Vec<Value> {
        let read = foreign::read(&self.text);
        assert_eq!(read["errors"], serde_json::json!([]), "{}", self.text);
        read["entries"].as_array().unwrap().clone()
    }

    /// Their summaries, in their order.
    fn summaries(&self) -> Vec<String> {
        self.entries().iter().map(|entry| entry["summary"].as_str().unwrap().to_owned()).collect()
    }
}

/// A calendar of pieces: content type, data and entity tag of each.
async fn whole(pieces: impl Stream<Item = (String, Bytes, String)>) -> Calendar {
    let mut calendar = Calendar { content_type: String::new(), etag: String::new(), text: String::new() };
    let mut pieces = std::pin::pin!(pieces);
    while let Some((content_type, data, etag)) = pieces.next().await {
        // Only the first piece has them.
        calendar.content_type += &content_type;
        calendar.etag += &etag;
        calendar.text += str::from_utf8(&data).unwrap();
    }
    calendar
}

/// The calendar that a token opens.
async fn opened(world: &World, token: &str) -> Result<Calendar, Refusal> {
    // Nobody says who calls: the token is all.
    let request = Request::new(pb::GetCalendarRequest { token: token.to_owned() });
    let pieces = done(world.service.get_calendar(request).await)?;
    let piece = |pb::GetCalendarResponse { content_type, data, etag }| (content_type, data, etag);
    Ok(whole(pieces.map(|message| piece(message.unwrap()))).await)
}

/// The calendar of somebody.
async fn feed(world: &World, who: &Caller) -> Result<Calendar, Refusal> {
    opened(world, &world.calendar_of(who)).await
}

/// An activity as a file.
async fn file(who: &Caller, id: &str) -> Result<Calendar, Refusal> {
    let request = who.request(pb::ExportActivityRequest { id: id.to_owned() }, &[]);
    let pieces = done(who.service.export_activity(request).await)?;
    let piece = |pb::ExportActivityResponse { content_type, data, etag }| (content_type, data, etag);
    Ok(whole(pieces.map(|message| piece(message.unwrap()))).await)
}

/// What the foreign program reads of the file of an activity.
async fn exported(who: &Caller, activity: &pb::Activity) -> Result<Value, Refusal> {
    Ok(file(who, &activity.id).await?.entries().remove(0))
}

/// A moment in so many hours.
#[allow(clippy::unnecessary_wraps, reason = "as fields of messages have it")]
fn ahead(world: &World, hours: i64) -> Option<prost_types::Timestamp> {
    // Calendars have whole seconds.
    let now = world.clock.now().replace_nanosecond(0).unwrap();
    Some(proto::timestamp(now + time::Duration::hours(hours)))
}

/// A moment as the foreign program writes it.
fn text(moment: Option<prost_types::Timestamp>) -> String {
    let moment = jiff::Timestamp::new(moment.unwrap().seconds, 0).unwrap();
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
