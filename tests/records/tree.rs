//! No company stands above itself, however many levels lie between and whoever moves what at once.

use anyhow::Result;
use proto::identity::v1::Scope;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;

use super::world::{Caller, May, Refusal, World};

/// As in the service.
const MAX_ABOVE: usize = 50;

async fn company(caller: &Caller, parent: Option<&str>) -> Result<String, Refusal> {
    let parent_id = parent.map(str::to_owned);
    let made = pb::Company { name: Some("Company".to_owned()), parent_id, ..Default::default() };
    Ok(caller.create_company(made).await?.id)
}

/// Companies of which each stands below the one before.
async fn line(caller: &Caller, length: usize) -> Result<Vec<String>, Refusal> {
    let mut line: Vec<String> = Vec::new();
    for _ in 0..length {
        line.push(company(caller, line.last().map(String::as_str)).await?);
    }
    Ok(line)
}

async fn put_below(caller: &Caller, id: &str, parent: Option<&str>) -> Result<(), Refusal> {
    let request = pb::UpdateCompanyRequest {
        id: id.to_owned(),
        company: Some(pb::Company { parent_id: parent.map(str::to_owned), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["parent_id".to_owned()] }),
    };
    Ok(caller.service.update_company(caller.request(request, &[])).await.map(drop)?)
}

const CIRCLE: [(&str, &str); 1] = [("/parent_id", "REFERENCE_CYCLE")];

#[tokio::test]
async fn a_circle_of_any_length_is_refused_and_other_moves_are_not() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let line = line(&admin, 20).await?;
    for below in [1, 2, 19] {
        let refused = put_below(&admin, &line[0], Some(&line[below])).await.unwrap_err();
        assert_eq!((refused.http(), refused.violations()), (422, CIRCLE.to_vec()), "{below}");
    }
    let refused = put_below(&admin, &line[5], Some(&line[5])).await.unwrap_err();
    assert_eq!(refused.violations(), [("/parent_id", "REFERENCE_CYCLE")]);
    // Sideways, to the top and back are no circles.
    put_below(&admin, &line[10], Some(&line[3])).await?;
    put_below(&admin, &line[10], None).await?;
    put_below(&admin, &line[0], Some(&line[19])).await?;
    let refused = put_below(&admin, &line[10], Some(&line[9])).await.unwrap_err();
    assert_eq!(refused.violations(), CIRCLE);
    Ok(())
}

#[tokio::test]
async fn a_company_in_the_trash_closes_a_circle_too() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let line = line(&admin, 3).await?;
    let delete = pb::DeleteCompanyRequest { id: line[1].clone() };
    admin.service.delete_company(admin.request(delete, &[])).await?;
    let refused = put_below(&admin, &line[0], Some(&line[2])).await.unwrap_err();
    assert_eq!(refused.violations(), CIRCLE);
    let restore = pb::RestoreCompanyRequest { id: line[1].clone() };
    admin.service.restore_company(admin.request(restore, &[])).await?;
    Ok(())
}

#[tokio::test]
async fn nothing_is_told_of_a_parent_that_is_not_seen() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let may = May { actions: &[("*", "*", Scope::Own)], fields: &[] };
    let member = world.caller(admin.tenant, &may)?;
    let own = company(&member, None).await?;
    let hidden = company(&admin, Some(&own)).await?;
    let random = world.clock.new_uuid().to_string();
    let mut told = Vec::new();
    for id in [&hidden, &random] {
        told.push(put_below(&member, &own, Some(id)).await.unwrap_err().bytes());
    }
    assert_eq!(told[0], told[1]);
    Ok(())
}

#[tokio::test]
async fn a_line_has_an_end() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let line = line(&admin, MAX_ABOVE + 1).await?;
    let deep = [("/parent_id", "REFERENCE_TOO_DEEP")];
    let refused = company(&admin, line.last().map(String::as_str)).await.unwrap_err();
    assert_eq!(refused.violations(), deep);
    let other = company(&admin, None).await?;
    let refused = put_below(&admin, &other, line.last().map(String::as_str)).await.unwrap_err();
    assert_eq!(refused.violations(), deep);
    put_below(&admin, &other, Some(&line[MAX_ABOVE - 1])).await?;
    Ok(())
}

#[tokio::test]
async fn moves_at_once_make_no_circle_together() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for _ in 0..20 {
        let (a, b) = (company(&admin, None).await?, company(&admin, None).await?);
        let c = company(&admin, None).await?;
        let answers = tokio::join!(
            put_below(&admin, &a, Some(&b)),
            put_below(&admin, &b, Some(&c)),
            put_below(&admin, &c, Some(&a)),
        );
        let answers = [answers.0, answers.1, answers.2];
        let refused: Vec<_> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(refused[0].violations(), CIRCLE);
    }
    Ok(())
}
