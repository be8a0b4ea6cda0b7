//! What activities and notes refer to, by name.

use anyhow::Result;
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use proto::common::v1::RecordName;

use super::world::{World, about, planned};
use crate::world::statements;

fn named(found: &[RecordName]) -> Vec<(&str, &str, bool)> {
    found.iter().map(|n| (n.object.as_str(), n.name.as_deref().unwrap_or("-"), n.deleted)).collect()
}

fn link((object, id): (&str, &str)) -> pb::ActivityLink {
    pb::ActivityLink { object: object.to_owned(), id: id.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn each_service_is_asked_once_for_all_activities_of_a_page() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let known = &world.known;
    known.insert("user", admin.id);
    known.name("user", admin.id, Some("Ada"), false);
    for n in 0..50 {
        let of = |object: &str| known.add_named(object, &format!("{object} {n}"));
        let (contact, company, deal, user) = (of("contact"), of("company"), of("deal"), of("user"));
        let guest = |object: &str, id: &String| pb::Participant {
            object: object.to_owned(),
            id: id.clone(),
            ..Default::default()
        };
        let met = pb::Activity {
            links: [("company", &*company), ("deal", &*deal), ("contact", &*contact)].map(link).to_vec(),
            participants: vec![guest("contact", &contact), guest("user", &user)],
            assignee_id: Some(user.clone()),
            subject: Some(format!("{n}")),
            ..planned("task")
        };
        admin.create_activity(met).await?;
    }
    let cost = async |page_size: i32| {
        known.asked_names.lock().unwrap().clear();
        let request = pb::ListActivitiesRequest {
            page_size: Some(page_size),
            include: "links,participants,assignee,owner".to_owned(),
            ..Default::default()
        };
        let (page, statements) = statements(admin.activities(request)).await;
        let page = page?;
        assert_eq!((page.activities.len(), page.warnings.len()), (usize::try_from(page_size)?, 0));
        for activity in page.activities {
            let (n, included) = (activity.subject.unwrap(), activity.included.unwrap());
            let of = |object: &str| format!("{object} {n}");
            let (contact, company, deal, user) = (of("contact"), of("company"), of("deal"), of("user"));
            let links =
                [("company", &*company, false), ("deal", &*deal, false), ("contact", &*contact, false)];
            assert_eq!(named(&included.links), links);
            assert_eq!(
                named(&included.participants),
                [("contact", &*contact, false), ("user", &*user, false)]
            );
            assert_eq!(named(included.assignee.as_slice()), [("user", &*user, false)]);
            assert_eq!(named(included.owner.as_slice()), [("user", "Ada", false)]);
        }
        let calls = known.asked_names.lock().unwrap().len();
        Ok::<_, anyhow::Error>((statements, calls))
    };
    cost(1).await?;
    let (one, all) = (cost(1).await?, cost(50).await?);
    assert_eq!((one, one.1), (all, 3), "one call each to identity, records and pipeline");
    Ok(())
}

#[tokio::test]
async fn a_note_names_what_it_is_about_and_says_which_names_are_missing() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let known = &world.known;
    let (contact, deal) = (known.add_named("contact", "Bo"), known.add_named("deal", "100 seats"));
    let note = admin.create(about(&[("contact", &contact), ("deal", &deal)])).await?;
    let get = async |include: &str| {
        let request =
            pb::GetNoteRequest { id: note.id.clone(), include: include.to_owned(), ..Default::default() };
        let answer = admin.service.get_note(admin.request(request, &[])).await?;
        Ok::<_, tonic::Status>(answer.into_inner().note.unwrap())
    };
    assert_eq!(get("").await?.included, None);
    let links = get("links").await?.included.unwrap().links;
    assert_eq!(named(&links), [("contact", "Bo", false), ("deal", "100 seats", false)]);
    known.down.lock().unwrap().insert("deal");
    let missing = get("links,owner").await?;
    assert_eq!(named(&missing.included.unwrap().links), [("contact", "Bo", false), ("deal", "-", false)]);
    let warning = &missing.warnings[0];
    assert_eq!((missing.warnings.len(), warning.reason.as_str()), (1, "PIPELINE_UNAVAILABLE"));
    assert!(warning.detail.contains("(deal)"), "{}", warning.detail);
    Ok(())
}
