//! How activities are found: by what they are about, by who takes part, and by whether they are late.

use std::time::Duration;

use anyhow::Result;
use proto::activities::v1 as pb;

use super::world::{Caller, World, planned};

fn called(subject: &str, activity: pb::Activity) -> pb::Activity {
    pb::Activity { subject: Some(subject.to_owned()), ..activity }
}

#[tokio::test]
async fn an_activity_is_found_by_its_links_and_its_participants() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (ada, deal, user) = (world.known.add("contact"), world.known.add("deal"), world.known.add("user"));
    let links = |ids: &[(&str, &str)]| {
        let link = |(object, id): &(&str, &str)| pb::ActivityLink {
            object: (*object).to_owned(),
            id: (*id).to_owned(),
            ..Default::default()
        };
        ids.iter().map(link).collect::<Vec<_>>()
    };
    let guest = |object: &str, id: &str| {
        vec![pb::Participant { object: object.to_owned(), id: id.to_owned(), ..Default::default() }]
    };
    let both = pb::Activity { links: links(&[("contact", &ada), ("deal", &deal)]), ..planned("task") };
    admin.create_activity(called("both", both)).await?;
    let met = pb::Activity {
        links: links(&[("deal", &deal)]),
        participants: guest("contact", &ada),
        ..planned("meeting")
    };
    let met = admin.create_activity(called("met", met)).await?;
    let with_user = pb::Activity { participants: guest("user", &user), ..planned("call") };
    admin.create_activity(called("with user", with_user)).await?;
    for (filter, found) in [
        (format!("links.id = \"{ada}\""), &["both"][..]),
        (format!("links.id = \"{deal}\""), &["both", "met"]),
        (format!("participants.id = \"{ada}\""), &["met"]),
        (format!("participants.id = (\"{ada}\", \"{user}\")"), &["met", "with user"]),
        (format!("links.id = \"{deal}\" AND NOT participants.id = \"{ada}\""), &["both"]),
    ] {
        assert_eq!(admin.subjects(&filter, "subject").await?, found, "{filter}");
        assert!(world.admin()?.subjects(&filter, "subject").await?.is_empty(), "{filter}");
    }
    let none = pb::Activity::default();
    admin.change_activity(&met.id, none, &["participants", "links"]).await?;
    assert!(admin.subjects(&format!("participants.id = \"{ada}\""), "").await?.is_empty());
    Ok(())
}

/// Activities that are due in so many hours, of all kinds and states.
async fn due(world: &World, who: &Caller) -> Result<()> {
    let at = |hours: i64| Some(proto::timestamp(world.clock.now() + time::Duration::hours(hours)));
    for (name, hours) in [("past", -2), ("soon", 1), ("later", 48)] {
        let task = pb::Activity { due_at: at(hours), ..planned("task") };
        who.create_activity(called(&format!("task {name}"), task.clone())).await?;
        let begun = who.create_activity(called(&format!("begun {name}"), task.clone())).await?;
        who.happen(&begun.id, "start", &[]).await?;
        for event in ["complete", "cancel"] {
            let over = who.create_activity(called(&format!("{event} {name}"), task.clone())).await?;
            who.happen(&over.id, event, &["outcome", "reason"]).await?;
        }
        // Of a meeting the end counts, whatever else it says.
        let meeting = pb::Activity {
            starts_at: at(hours - 1),
            ends_at: at(hours),
            due_at: at(-hours),
            ..planned("meeting")
        };
        who.create_activity(called(&format!("meeting {name}"), meeting)).await?;
    }
    who.create_activity(called("whenever", planned("task"))).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_open_when_its_moment_has_passed_is_overdue() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    due(&world, &admin).await?;
    let late = ["begun past", "meeting past", "task past"];
    assert_eq!(admin.subjects("overdue = true", "subject").await?, late);
    assert_eq!(admin.subjects("NOT overdue != true", "subject").await?, late);
    let all = admin.subjects("", "").await?.len();
    assert_eq!(admin.subjects("overdue = false", "").await?.len(), all - late.len());
    let shown = async |who: &Caller| -> Result<Vec<String>> {
        let listed = who.activities(pb::ListActivitiesRequest {
            fields: "subject,overdue".to_owned(),
            ..Default::default()
        });
        let late = listed.await?.activities.into_iter().filter(|activity| activity.overdue);
        let mut subjects: Vec<String> = late.filter_map(|activity| activity.subject).collect();
        subjects.sort();
        Ok(subjects)
    };
    assert_eq!(shown(&admin).await?, late);
    let page = async |who: &Caller, token: &str| {
        who.activities(pb::ListActivitiesRequest {
            filter: "overdue = true".to_owned(),
            order_by: "subject".to_owned(),
            page_size: Some(2),
            page_token: token.to_owned(),
            ..Default::default()
        })
        .await
    };
    // Time goes on between the pages of a list.
    let first = page(&admin, "").await?;
    world.time.advance(Duration::from_secs(60));
    let second = page(&admin, &first.next_page_token).await?;
    let subjects =
        first.activities.iter().chain(&second.activities).filter_map(|activity| activity.subject.as_deref());
    assert_eq!(subjects.collect::<Vec<_>>(), late);
    world.time.advance(Duration::from_secs(3600));
    let admin = world.caller(admin.tenant, &super::world::ALL)?;
    let late = ["begun past", "begun soon", "meeting past", "meeting soon", "task past", "task soon"];
    assert_eq!(admin.subjects("overdue = true", "subject").await?, late);
    assert_eq!(shown(&admin).await?, late);
    Ok(())
}

#[tokio::test]
async fn activities_are_filtered_and_ordered_as_the_contract_says() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    due(&world, &admin).await?;
    let soon = field_types::moment::datetime_text(world.clock.now() + time::Duration::hours(24));
    let filter = format!("state = \"planned\" AND kind = \"task\" AND due_at < {soon}");
    assert_eq!(admin.subjects(&filter, "due_at").await?, ["task past", "task soon"]);
    assert_eq!(
        admin.subjects("state = \"in_progress\"", "due_at desc").await?,
        ["begun later", "begun soon", "begun past"]
    );
    assert_eq!(admin.subjects("subject:\"when\"", "").await?, ["whenever"]);
    for (filter, order_by) in
        [("overdue > true", ""), ("overdue:*", ""), ("", "overdue"), ("event = \"start\"", "")]
    {
        assert_eq!(admin.subjects(filter, order_by).await.unwrap_err().http(), 400, "{filter}{order_by}");
    }
    Ok(())
}
