//! The RPCs of activities.

use std::pin::Pin;

use serde_json::{Value, json};

use super::identity::{ACTIVE_USER, TEAM};
use super::pipeline::DEAL;
use super::records::{COMPANY, CONTACT};
use super::row::{Row, delete, get, patch, post};
use super::target::{Target, created};
use super::{Check, Table, Two};
use crate::stage::{Tenant, text};

/// A moment that calendars reach for a year.
const DUE: &str = "2027-03-01T09:00:00Z";

const NOTE: Target = Target::new(|_, tenant, unique| Box::pin(note(tenant, unique)));
const DELETED_NOTE: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = note(tenant, unique).await;
        tenant.admin.delete(&format!("/api/v1/notes/{id}")).await.expect(204);
        id
    })
});

const ACTIVITY: Target = Target::new(|_, tenant, unique| Box::pin(activity(tenant, unique)));
const DELETED_ACTIVITY: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = activity(tenant, unique).await;
        tenant.admin.delete(&format!("/api/v1/activities/{id}")).await.expect(204);
        id
    })
});

pub fn table() -> Table {
    let owned = json!({"body": "{unique}", "owner_id": "{id}"});
    let shared = json!({"body": "{unique}", "team_id": "{id}"});
    let about = |object: &str| json!({"body": "{unique}", "links": [{"object": object, "id": "{id}"}]});
    let relinked = json!({"links": [{"object": "contact", "id": "{id}"}]});
    let rows = vec![
        post("CreateNote", "/notes").of(&ACTIVE_USER).json(owned).answers(201),
        post("CreateNote", "/notes").of(&TEAM).json(shared).answers(201),
        post("CreateNote", "/notes").of(&CONTACT).json(about("contact")).answers(201),
        post("CreateNote", "/notes").of(&COMPANY).json(about("company")).answers(201),
        post("CreateNote", "/notes").of(&DEAL).json(about("deal")).answers(201),
        get("GetNote", "/notes/{id}").of(&NOTE),
        get("ListNotes", "/notes"),
        get("ListNotes", "/notes?include=links,owner"),
        patch("UpdateNote", "/notes/{id}").of(&NOTE).json(json!({"pinned": true})),
        patch("UpdateNote", "/notes/{own}").of(&CONTACT).json(relinked).with("own", &NOTE),
        delete("DeleteNote", "/notes/{id}").of(&NOTE),
        post("RestoreNote", "/notes/{id}:restore").of(&DELETED_NOTE),
    ];
    let rows = rows.into_iter().chain(of_activities()).collect();
    let mut internal = super::OPERATIONS.map(|rpc| (rpc, operations as Check)).to_vec();
    internal.push(("GetCalendar", |two| Box::pin(get_calendar(two))));
    Table { rows, internal, planted: vec![&NOTE, &ACTIVITY] }
}

fn operations<'a>(two: &'a Two) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        let theirs = [note(&two.b, "theirs").await, activity(&two.b, "theirs").await];
        super::operations(two, ("notes", &theirs[0]), "NOTE_NOT_FOUND").await;
        super::operations(two, ("activities", &theirs[1]), "ACTIVITY_NOT_FOUND").await;
    })
}

/// Its token is all that it asks for, so its path is not below that of the API: the activities of the token's user, and for whatever is none
/// the same bytes.
async fn get_calendar(Two { stage, a, b }: &Two) {
    let mut paths = Vec::new();
    for tenant in [a, b] {
        let body = json!({"kind": "task", "subject": format!("of {}", tenant.slug), "due_at": DUE,
                          "assignee_id": tenant.admin_id});
        tenant.admin.post("/api/v1/activities", body).await.expect(201);
        let feed = tenant.admin.post("/api/v1/calendar-feed", json!({})).await.expect(201);
        paths.push(text(&feed["path"]));
    }
    for (n, path) in paths.iter().enumerate() {
        let calendar = stage.anonymous.get(path).await;
        let names = |tenant: &Tenant| calendar.text.contains(&format!("of {}", tenant.slug));
        assert_eq!((calendar.status, names(a), names(b)), (200, n == 0, n == 1), "{}", calendar.text);
    }
    let parts = |path: &str| path.trim_end_matches(".ics").split('.').map(str::to_owned).collect::<Vec<_>>();
    let (ours, theirs) = (parts(&paths[0]), parts(&paths[1]));
    let mut refusals = Vec::new();
    for forged in [
        format!("{}.{}.{}.ics", ours[0], ours[1], theirs[2]),
        format!("{}.{}.{}.ics", theirs[0], ours[1], ours[2]),
        format!("{}.{}.ics", ours[0], ours[1]),
        "/calendar/x.ics".to_owned(),
    ] {
        let refused = stage.anonymous.get(&forged).await;
        assert_eq!(refused.status, 404, "{}", refused.text);
        refusals.push(refused.without_instance());
    }
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
}

fn of_activities() -> Vec<Row> {
    let with = |member: &str, value: Value| json!({"kind": "task", "subject": "{unique}", member: value});
    let of = |object: &str| json!([{"object": object, "id": "{id}"}]);
    vec![
        post("CreateActivity", "/activities")
            .of(&ACTIVE_USER)
            .json(with("owner_id", "{id}".into()))
            .answers(201),
        post("CreateActivity", "/activities")
            .of(&ACTIVE_USER)
            .json(with("assignee_id", "{id}".into()))
            .answers(201),
        post("CreateActivity", "/activities").of(&TEAM).json(with("team_id", "{id}".into())).answers(201),
        post("CreateActivity", "/activities").of(&CONTACT).json(with("links", of("contact"))).answers(201),
        post("CreateActivity", "/activities").of(&COMPANY).json(with("links", of("company"))).answers(201),
        post("CreateActivity", "/activities").of(&DEAL).json(with("links", of("deal"))).answers(201),
        post("CreateActivity", "/activities")
            .of(&CONTACT)
            .json(with("participants", of("contact")))
            .answers(201),
        post("CreateActivity", "/activities")
            .of(&ACTIVE_USER)
            .json(with("participants", of("user")))
            .answers(201),
        get("GetActivity", "/activities/{id}").of(&ACTIVITY),
        get("ExportActivity", "/activities/{id}.ics").of(&ACTIVITY),
        get("ListActivities", "/activities"),
        get("ListActivities", "/activities?include=assignee,links,owner,participants"),
        patch("UpdateActivity", "/activities/{id}").of(&ACTIVITY).json(json!({"body": "{unique}"})),
        patch("UpdateActivity", "/activities/{own}")
            .of(&DEAL)
            .json(json!({"links": [{"object": "deal", "id": "{id}"}]}))
            .with("own", &ACTIVITY),
        delete("DeleteActivity", "/activities/{id}").of(&ACTIVITY),
        post("RestoreActivity", "/activities/{id}:restore").of(&DELETED_ACTIVITY),
        post("StartActivity", "/activities/{id}:start").of(&ACTIVITY),
        post("CompleteActivity", "/activities/{id}:complete")
            .of(&ACTIVITY)
            .json(json!({"outcome": "{unique}"})),
        post("CancelActivity", "/activities/{id}:cancel").of(&ACTIVITY).json(json!({"reason": "{unique}"})),
        post("ReopenActivity", "/activities/{id}:reopen").of(&ACTIVITY).answers(409),
        get("GetActivityStateMachines", "/activity-state-machines"),
        get("GetContactTimeline", "/contacts/{id}/timeline").of(&CONTACT),
        get("GetCompanyTimeline", "/companies/{id}/timeline").of(&COMPANY),
        get("GetDealTimeline", "/deals/{id}/timeline").of(&DEAL),
    ]
}

async fn activity(tenant: &Tenant, unique: &str) -> String {
    let body = json!({"kind": "task", "subject": unique});
    created(&tenant.admin.post("/api/v1/activities", body).await.expect(201))
}

async fn note(tenant: &Tenant, unique: &str) -> String {
    created(&tenant.admin.post("/api/v1/notes", json!({"body": unique})).await.expect(201))
}
