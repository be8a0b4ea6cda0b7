//! What is a note's own: its text, what is shown of it, and what it is about.

use anyhow::Result;
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use proto::identity::v1::{FieldAccess, Scope};

use super::world::{Caller, May, Refusal, World, about};

fn text(body: &str) -> pb::Note {
    pb::Note { body: Some(body.to_owned()), ..Default::default() }
}

async fn html(who: &Caller, body: &str) -> Result<String, Refusal> {
    Ok(who.create(text(body)).await?.body_html)
}

#[tokio::test]
async fn markdown_is_kept_and_shown_as_harmless_html() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let body = "# Call\n\n*likes* it, ~~not~~\n\n- [x] done\n\n| a | b |\n|:-:|---|\n| 1 | 2 |";
    let note = admin.create(text(body)).await?;
    assert_eq!(note.body.as_deref(), Some(body));
    for part in ["<h1>Call</h1>", "<em>likes</em>", "<del>not</del>", "\u{2611} done", "<td>1</td>"] {
        assert!(note.body_html.contains(part), "{part} in {}", note.body_html);
    }
    let hostile = [
        ("<script>alert(1)</script>", &["<script"][..]),
        ("<img src=x onerror=alert(1)>", &["<img"]),
        ("[x](javascript:alert(1)) [y](JaVaScRiPt&colon;alert(1)) [z](data:text/html,x)", &["href"]),
        ("![secret](https://tracker.test/pixel.png)", &["<img", "tracker"]),
        ("[x](/api/v1/contacts) [y](//evil.test)", &["href"]),
        ("<a href=\"https://x.test\" onclick=\"x()\">x</a>", &["<a"]),
        (
            "<form action=https://x.test><input></form><iframe src=x></iframe><style>*{}</style>",
            &["<form", "<iframe", "<style", "<input"],
        ),
        ("[x](https://x.test \"\\\"onmouseover=alert(1)\")", &["\" onmouseover", "\"onmouseover"]),
        ("<svg><style><img src=x onerror=alert(1)></style></svg>", &["<svg", "<style", "<img"]),
    ];
    for (body, never) in hostile {
        let html = html(&admin, body).await?;
        for part in never {
            assert!(!html.contains(part), "{part} of {body} in {html}");
        }
    }
    let link = html(&admin, "[x](https://x.test) <mailto:a@x.test>").await?;
    assert!(
        link.contains(r#"href="https://x.test/""#) && link.contains("noopener noreferrer nofollow"),
        "{link}"
    );
    assert!(link.contains(r#"href="mailto:a@x.test""#), "{link}");
    // A change of the text changes what is shown.
    let changed = admin.update(&note.id, text("**new**"), &["body"]).await?;
    assert_eq!(changed.body_html.trim(), "<p><strong>new</strong></p>");
    assert_eq!(admin.get(&note.id).await?, changed);
    Ok(())
}

#[tokio::test]
async fn a_note_has_a_text_of_bounded_length() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let most = 50_000;
    assert_eq!(
        admin.create(text(&"ü".repeat(most))).await?.body.map(|body| body.chars().count()),
        Some(most)
    );
    let longer = admin.create(text(&"x".repeat(most + 1))).await.unwrap_err();
    assert_eq!(longer.violations(), [("/body", "TOO_LONG")]);
    for (control, reason) in [("a\0b", "NUL_CHARACTER"), ("a\u{1}b", "TEXT_CONTROL_CHARACTER")] {
        assert_eq!(admin.create(text(control)).await.unwrap_err().violations(), [("/body", reason)]);
    }
    for empty in ["", " \n ", "\u{200b}\u{2800}\u{3164}", "\u{202e}\u{feff}"] {
        assert_eq!(admin.create(text(empty)).await.unwrap_err().violations(), [("/body", "REQUIRED")]);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_shown_of_a_hidden_text_is_hidden() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let note = admin.create(text("*secret*")).await?;
    let fields: [(&str, &str, FieldAccess); 1] = [("note", "body", FieldAccess::None)];
    let reader = world.caller(admin.tenant, &May { actions: &[("*", "*", Scope::All)], fields: &fields })?;
    let seen = reader.get(&note.id).await?;
    assert_eq!((seen.body, seen.body_html.as_str()), (None, ""));
    assert!(!seen.pinned);
    assert!(
        reader.update(&note.id, pb::Note { pinned: true, ..Default::default() }, &["pinned"]).await?.pinned
    );
    assert_eq!(admin.get(&note.id).await?.body.as_deref(), Some("*secret*"));
    Ok(())
}

#[tokio::test]
async fn a_note_is_found_by_what_it_is_about_and_by_nothing_else() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (ada, acme) = (world.known.add("contact"), world.known.add("company"));
    let both = admin.create(about(&[("contact", &ada), ("company", &acme)])).await?;
    let one = admin.create(about(&[("company", &acme)])).await?;
    assert_eq!(admin.found(&format!("links.id = \"{ada}\"")).await?, [both.id.as_str()]);
    let mut found = admin.found(&format!("links.id = \"{acme}\"")).await?;
    found.sort();
    assert_eq!(found, [both.id.as_str(), &one.id]);
    let other = world.admin()?;
    assert!(other.found(&format!("links.id = \"{ada}\"")).await?.is_empty());
    // Links are replaced as a whole.
    let moved = admin.update(&both.id, about(&[("company", &acme)]), &["links"]).await?;
    assert_eq!(moved.links.len(), 1);
    assert!(admin.found(&format!("links.id = \"{ada}\"")).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn links_are_asked_for_in_one_call_and_only_where_they_may_be_new() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (ada, bob, acme) =
        (world.known.add("contact"), world.known.add("contact"), world.known.add("company"));
    let gone = uuid::Uuid::now_v7().to_string();
    let wrong =
        admin.create(about(&[("contact", &ada), ("contact", &gone), ("company", &bob)])).await.unwrap_err();
    assert_eq!(
        wrong.violations(),
        [("/links/1/id", "REFERENCE_NOT_FOUND"), ("/links/2/id", "REFERENCE_NOT_FOUND")]
    );
    admin.create(about(&[])).await?;
    // A refused link keeps its place.
    let wrong =
        admin.create(about(&[("contact", "x"), ("contact", &ada), ("contact", &gone)])).await.unwrap_err();
    assert_eq!(wrong.violations(), [("/links/0/id", "UUID_INVALID"), ("/links/2/id", "REFERENCE_NOT_FOUND")]);
    world.known.asked.lock().unwrap().clear();
    let note = admin.create(about(&[("contact", &ada), ("contact", &bob), ("company", &acme)])).await?;
    let asked: Vec<usize> =
        world.known.asked.lock().unwrap().iter().map(|ids| ids.values().map(Vec::len).sum()).collect();
    assert_eq!(asked, [3], "one call for all of them");
    // What a note names already stays, whatever has become of it.
    world.known.ids.lock().unwrap().clear();
    let kept = admin.update(&note.id, about(&[("contact", &bob), ("contact", &ada)]), &["links"]).await?;
    assert_eq!(kept.links.iter().map(|link| link.id.as_str()).collect::<Vec<_>>(), [&*bob, &*ada]);
    let back = admin.update(&note.id, about(&[("company", &acme)]), &["links"]).await.unwrap_err();
    assert_eq!(back.violations(), [("/links/0/id", "REFERENCE_NOT_FOUND")]);
    // A change of something else asks nobody.
    world.known.asked.lock().unwrap().clear();
    admin.update(&note.id, pb::Note { pinned: true, ..Default::default() }, &["pinned"]).await?;
    assert!(world.known.asked.lock().unwrap().is_empty());
    Ok(())
}

#[tokio::test]
async fn links_that_two_have_changed_are_a_conflict_and_other_fields_merge() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (ada, acme) = (world.known.add("contact"), world.known.add("company"));
    let note = admin.create(about(&[])).await?;
    let first = |note: pb::Note| pb::Note { etag: Some("1".to_owned()), ..note };
    let linked = admin.update(&note.id, about(&[("contact", &ada)]), &["links"]).await?;
    let other = first(about(&[("company", &acme)]));
    let conflict = admin.update(&note.id, other, &["links", "etag"]).await.unwrap_err();
    assert_eq!(conflict.is(), (409, "EDIT_CONFLICT"));
    assert_eq!(conflict.problem()["conflicts"][0]["field"], "links");
    let merged = admin.update(&note.id, first(text("*new*")), &["body", "etag"]).await?;
    assert_eq!((merged.links, merged.body_html.as_str()), (linked.links, "<p><em>new</em></p>\n"));
    Ok(())
}

#[tokio::test]
async fn who_is_known_as_a_user_is_not_known_as_a_team() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let user = world.known.add("user");
    admin.create(pb::Note { owner_id: Some(user.clone()), ..about(&[]) }).await?;
    for team in [admin.id.to_string(), user] {
        let refused = admin.create(pb::Note { team_id: Some(team), ..about(&[]) }).await.unwrap_err();
        assert_eq!(refused.violations(), [("/team_id", "REFERENCE_NOT_FOUND")]);
    }
    Ok(())
}

#[tokio::test]
async fn who_is_mentioned_is_named_and_told_of_once() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (ada, bob) = (world.known.add("user"), world.known.add("user"));
    let mention = |name: &str, id: &str| format!("@[{name}](user:{id})");
    let named = |note: &pb::Note| note.mentions.iter().map(|m| m.user_id.clone()).collect::<Vec<_>>();
    let body = format!("{} and *{}*, {}", mention("Bob", &bob), mention("Ada <b>", &ada), mention("B", &bob));
    let note = admin.create(text(&body)).await?;
    assert_eq!(named(&note), [bob.clone(), ada.clone()]);
    assert_eq!(note.body_html, "<p>@Bob and <em>@Ada &lt;b&gt;</em>, @B</p>\n");
    assert_eq!(note.body, Some(body), "it is kept as it was sent");
    assert_eq!(admin.get(&note.id).await?, note);
    for (who, found) in [(&ada, vec![note.id.clone()]), (&world.known.add("user"), vec![])] {
        assert_eq!(admin.found(&format!("mentions.user_id = \"{who}\"")).await?, found);
    }
    // Whoever was mentioned before is not told of it again, and a note of nobody tells nobody.
    let carol = world.known.add("user");
    let changed = text(&format!("{} {}", mention("Ada", &ada), mention("Carol", &carol)));
    let changed = admin.update(&note.id, changed, &["body"]).await?;
    assert_eq!(named(&changed), [ada.clone(), carol.clone()]);
    admin.update(&note.id, pb::Note { pinned: true, ..Default::default() }, &["pinned"]).await?;
    // Nor is one whose mention was removed, and comes back.
    for body in ["nobody", &mention("Bob", &bob), "nobody", &mention("Bob", &bob), "nobody"] {
        admin.update(&note.id, text(body), &["body"]).await?;
    }
    admin.delete(&note.id).await?;
    admin.service.restore_note(admin.request(pb::RestoreNoteRequest { id: note.id.clone() }, &[])).await?;
    let told = world.told(&note.id, "note.mentioned").await?;
    let users = |ids: &[&String]| ids.iter().map(|id| serde_json::json!({"user_id": id})).collect::<Vec<_>>();
    assert_eq!(told, [serde_json::json!(users(&[&bob, &ada])), serde_json::json!(users(&[&carol]))]);
    assert!(admin.found(&format!("mentions.user_id = \"{bob}\"")).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_mention_of_nobody_is_refused_where_it_stands() -> Result<()> {
    let world = World::new().await?;
    let (admin, ada) = (world.admin()?, world.known.add("user"));
    for id in ["ada", "", &uuid::Uuid::now_v7().to_string()] {
        let body = format!("@[Ada](user:{ada}) @[X](user:{id})");
        let refused = admin.create(text(&body)).await.unwrap_err();
        assert_eq!(refused.violations(), [("/body", "REFERENCE_NOT_FOUND")], "{id}");
    }
    let many: Vec<String> = (0..101).map(|_| format!("@[x](user:{})", world.known.add("user"))).collect();
    assert_eq!(
        admin.create(text(&many.join(" "))).await.unwrap_err().violations(),
        [("/body", "TOO_MANY_ITEMS")]
    );
    // Who is mentioned already stays, whatever has become of them.
    let note = admin.create(text(&format!("@[Ada](user:{ada})"))).await?;
    world.known.ids.lock().unwrap().clear();
    let kept = admin.update(&note.id, text(&format!("Ask @[Ada](user:{ada})")), &["body"]).await?;
    assert_eq!(kept.mentions, note.mentions);
    Ok(())
}

#[tokio::test]
async fn whom_a_hidden_text_mentions_is_hidden() -> Result<()> {
    let world = World::new().await?;
    let (admin, ada) = (world.admin()?, world.known.add("user"));
    let note = admin.create(text(&format!("@[Ada](user:{ada})"))).await?;
    let fields: [(&str, &str, FieldAccess); 1] = [("note", "body", FieldAccess::None)];
    let reader = world.caller(admin.tenant, &May { actions: &[("*", "*", Scope::All)], fields: &fields })?;
    assert_eq!(reader.get(&note.id).await?.mentions, []);
    let refused = reader.found(&format!("mentions.user_id = \"{ada}\"")).await.unwrap_err();
    assert_eq!(refused.http(), 400);
    Ok(())
}

#[tokio::test]
async fn pinned_notes_are_found_and_come_first() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut notes = Vec::new();
    for pinned in [false, true, false, true] {
        notes.push(admin.create(pb::Note { pinned, ..text("x") }).await?.id);
    }
    let sorted = |at: &[usize]| at.iter().map(|n| notes[*n].clone()).collect::<Vec<_>>();
    assert_eq!(admin.ordered("pinned = true", "id").await?, sorted(&[1, 3]));
    assert_eq!(admin.ordered("", "pinned desc,id desc").await?, sorted(&[3, 1, 2, 0]));
    Ok(())
}
