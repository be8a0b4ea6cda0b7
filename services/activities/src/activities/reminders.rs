//! When to remind of an activity: a list of `{"minutes_before"}`.

use error::Reason;
use field_types::FieldError;
use input::Input;
use proto::activities::v1 as pb;
use serde_json::{Value, json};

/// Reads the reminders sent, each once.
pub(super) fn read(input: &mut Input, sent: &[pb::Reminder]) {
    let mut kept: Vec<Value> = Vec::new();
    for (n, reminder) in sent.iter().enumerate() {
        let reminder = json!({"minutes_before": reminder.minutes_before});
        if kept.contains(&reminder) {
            input.refuse(format!("/reminders/{n}"), FieldError::new(Reason::REPEATED, "is repeated"));
        }
        kept.push(reminder);
    }
    input.set("reminders", kept);
}

pub(super) fn show(reminder: &Value) -> pb::Reminder {
    pb::Reminder { minutes_before: minutes(reminder) }
}

fn minutes(reminder: &Value) -> i32 {
    reminder["minutes_before"].as_i64().and_then(|minutes| i32::try_from(minutes).ok()).unwrap_or_default()
}
