//! Users whom a note mentions: `@[Name](user:<id>)` in its Markdown. Those that are new are named by an event.

use auth::Access;
use db::TenantTx;
use error::Error;
use events::NewEvent;
use input::Violations;
use proto::activities::v1 as pb;
use pulldown_cmark::{Event, Parser, Tag};
use record::change::{Diff, event};
use record::peer_records::State;
use record::prepare::{Guard, Plan, Write};
use record::reference::Reference;
use record::{Naming, Record, SideTable};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NOTE, markdown, store};
use crate::naming::text;

/// How the address of a mention begins.
const SCHEME: &str = "user:";
/// Most users of one note.
const MAX_MENTIONS: usize = 100;

/// The users in a text, each once, in their order. What names nobody is the nil id, which nobody has.
pub(super) fn users(markdown: &str) -> Vec<Uuid> {
    let mut users = Vec::new();
    if !markdown.contains(SCHEME) {
        return users;
    }
    let parser = Parser::new_ext(markdown, markdown::OPTIONS).into_offset_iter();
    for (event, range) in parser {
        let Event::Start(Tag::Link { dest_url, .. }) = event else { continue };
        let Some(id) = dest_url.strip_prefix(SCHEME) else { continue };
        let before = &markdown[..range.start];
        let id = if id.len() == 36 { Uuid::try_parse(id).ok() } else { None }.unwrap_or_default();
        if before.ends_with('@') && !before.ends_with("\\@") && !users.contains(&id) {
            users.push(id);
        }
        if users.len() > MAX_MENTIONS {
            break;
        }
    }
    users
}

fn of_body(body: &Value) -> Vec<Uuid> {
    body.as_str().map(users).unwrap_or_default()
}

/// Whether a link is a mention, of which only the name is shown.
pub(super) fn is_mention(address: &str) -> bool {
    address.starts_with(SCHEME)
}

/// The field `mentions`.
pub(super) fn list(markdown: &str) -> Value {
    users(markdown).into_iter().map(|id| json!({"user_id": id.to_string()})).collect()
}

pub(super) fn show(mention: &Value) -> pb::Mention {
    pb::Mention { user_id: text(mention, "user_id") }
}

/// Whom a text names. Users do not go, so that none of them has a state that a note shows.
pub(super) const NAMING: Naming = Naming {
    ids: |body| {
        let named = of_body(body).into_iter();
        named.map(|id| Reference { object: "user".to_owned(), id, pointer: String::new() }).collect()
    },
    holders: "SELECT DISTINCT l.note_id FROM unnest($3::uuid[]) AS named (id) CROSS JOIN LATERAL (
         SELECT n.note_id FROM activities.note_mention AS n
         WHERE n.tenant_id = $1 AND $2 = 'user' AND n.user_id = named.id AND n.note_id > $4
         ORDER BY n.note_id LIMIT $5) AS l
     ORDER BY l.note_id LIMIT $5",
    follow: |body: &Value, _: &str, _: Uuid, _: State| body.clone(),
    known: |_, body| body,
};

/// By which notes are found.
pub(super) const MENTIONS: SideTable = SideTable {
    field: "body",
    pairs: |body| of_body(body).into_iter().map(|id| (id.to_string(), String::new())).collect(),
    put: "INSERT INTO activities.note_mention (tenant_id, note_id, user_id)
     SELECT $1, note_id, user_id::uuid FROM unnest($2::uuid[], $3::text[], $4::text[]) AS put (note_id, user_id, nothing)",
    clear: "DELETE FROM activities.note_mention WHERE tenant_id = $1 AND note_id = ANY($2)",
    held: "SELECT note_id, user_id::text, '', true FROM activities.note_mention WHERE tenant_id = $1 AND note_id = ANY($2)",
    set_live: None,
    holders: None,
};

/// The guard of notes.
#[derive(Debug)]
pub(super) struct Mentioning;

#[tonic::async_trait]
impl Guard for Mentioning {
    async fn check(
        &self,
        _: &mut TenantTx,
        write: &mut Write<'_>,
        violations: &mut Violations,
    ) -> Result<(), Error> {
        let is_seen = write.plan.mask.access("body") != Access::None;
        let body = write.after.fields.get("body").filter(|_| is_seen);
        if body.is_some_and(|body| of_body(body).len() > MAX_MENTIONS) {
            let text = format!("a note mentions at most {MAX_MENTIONS} users");
            violations.note("/body", error::Reason::TOO_MANY_ITEMS, text);
        }
        Ok(())
    }

    /// The users whom this write mentions and who have not been told of this note before: each is told once as long as the note exists.
    async fn stored(
        &self,
        tx: &mut TenantTx,
        plan: &Plan<'_>,
        before: Option<&Record>,
        after: &Record,
    ) -> Result<Vec<NewEvent>, Error> {
        let mentioned = |note: &Record| note.fields.get("body").map(of_body).unwrap_or_default();
        let (known, named) = (before.map(mentioned).unwrap_or_default(), mentioned(after));
        if named == known {
            return Ok(Vec::new());
        }
        // Those who were mentioned before are stored, too: a note may be older than the table.
        let all: Vec<Uuid> = named.iter().chain(&known).copied().collect();
        let first = store::tell(tx, after.id, &all).await?;
        let new = named.into_iter().filter(|user| first.contains(user) && !known.contains(user));
        let new: Vec<Value> = new.map(|user| json!({"user_id": user.to_string()})).collect();
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let diff = Diff { field: "mentions".to_owned(), before: Value::Null, after: new.into() };
        Ok(vec![event(plan.author, &NOTE, "mentioned", after, &[diff])])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const BOB: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

    fn found(markdown: &str) -> Vec<String> {
        users(markdown).iter().map(Uuid::to_string).collect()
    }

    #[test]
    fn users_are_found_where_they_are_mentioned_each_once() {
        let text = format!(
            "@[Ada](user:{ADA}) and **@[Bob \\] B](user:{BOB})**\n\n- again (@[Ada](user:{ADA}))\n\n| a |\n|---|\n| @[Bob](user:{BOB}) |"
        );
        assert_eq!(found(&text), [ADA, BOB]);
        assert_eq!(found(&format!("x@[Ada](<user:{ADA}> \"title\")")), [ADA]);
    }

    #[test]
    fn what_is_no_mention_mentions_nobody() {
        for text in [
            format!("[Ada](user:{ADA})"),
            format!("\\@[Ada](user:{ADA})"),
            format!("`@[Ada](user:{ADA})`"),
            format!("```\n@[Ada](user:{ADA})\n```"),
            format!("    @[Ada](user:{ADA})"),
            format!("@[Ada](https://x.test/user:{ADA})"),
            format!("@user:{ADA}"),
            format!("@![Ada](user:{ADA})"),
            "@[Ada](mailto:ada@x.test)".to_owned(),
        ] {
            assert_eq!(found(&text), [] as [String; 0], "{text}");
        }
        // It is meant as one, and so refused.
        for id in ["", "ada", &ADA.replace('-', ""), &format!("{ADA}0")] {
            assert_eq!(users(&format!("@[Ada](user:{id})")), [Uuid::nil()], "{id}");
        }
    }

    #[test]
    fn a_text_of_many_is_not_read_to_its_end() {
        let many: Vec<String> = (0..500).map(|n| format!("@[x](user:{})", Uuid::from_u128(n + 1))).collect();
        let many = many.join(" ");
        assert_eq!(users(&many).len(), MAX_MENTIONS + 1);
    }
}
