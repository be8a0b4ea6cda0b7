//! `globcrm demo`: two organisations with users, fields, companies, contacts, deals and activities, as a year of work through the REST API leaves them.

mod activities;
mod api;
mod deals;
mod own_fleet;
mod people;
mod records;

use anyhow::bail;
use ids::Clock;
use serde_json::json;
use time::{Duration, OffsetDateTime, Time, Weekday};

use activities::Activities;
use api::Api;
use deals::Deals;
use own_fleet::Hand;

/// The password of every demo user. It is printed by `up` and good for a demo on one machine only.
const PASSWORD: &str = "globcrm-demo-2026";
/// How long ago the organisations signed up.
const YEAR: Duration = Duration::days(365);
/// Ends the name of an organisation until all of it is there.
const UNFINISHED: &str = " (demo, loading)";
/// Until they have their contacts.
const BEGINNING: Duration = Duration::days(3);

/// An organisation and what it does when.
struct Organisation {
    api: Api,
    name: &'static str,
    contacts: usize,
    deals: Deals,
    activities: Activities,
}

/// Something that is done.
enum Step {
    Deal(deals::Step),
    Activity(activities::Step),
}

/// Loads the data; organisations that are there already are left as they are. Refused beside a running fleet, and where an earlier load broke off.
pub(crate) async fn run() -> anyhow::Result<()> {
    own_fleet::refuse_beside_another().await?;
    let now = Clock::system().now();
    let organisations =
        own_fleet::during(now - YEAR, async |gateway, hand| live(gateway, &hand, now).await).await?;
    for organisation in organisations {
        let Organisation { api, contacts, deals, activities, .. } = organisation;
        println!(
            "{slug}: {ada} and {rep}, password {PASSWORD}; {contacts} contacts, {} deals, {} activities",
            deals.made(),
            activities.made(),
            slug = api.slug(),
            ada = api.email("ada"),
            rep = api.email("rep"),
        );
    }
    Ok(())
}

/// The year until `now`.
async fn live(gateway: &str, hand: &Hand, now: OffsetDateTime) -> anyhow::Result<Vec<Organisation>> {
    let mut organisations = Vec::new();
    for (name, slug) in [("Acme Industries", "acme"), ("Globex Services", "globex")] {
        let mut api = Api::new(gateway, slug, hand.clone())?;
        if api.sign_up(&format!("{name}{UNFINISHED}")).await? {
            organisations.push(begin(api, name).await?);
        } else if api.organization().await?.is_some_and(|name| name.ends_with(UNFINISHED)) {
            bail!(
                "{slug}: loading it broke off, and only a part is there: load the demo into an empty database"
            );
        } else {
            println!("{slug}: is there already");
        }
    }
    let start = now - YEAR + BEGINNING;
    let mut steps: Vec<(OffsetDateTime, usize, Step)> = Vec::new();
    for (n, organisation) in organisations.iter().enumerate() {
        let deals = organisation.deals.year(start, now).into_iter().map(|(at, step)| (at, Step::Deal(step)));
        let activities =
            activities::year(start, now).into_iter().map(|(at, step)| (at, Step::Activity(step)));
        steps.extend(deals.chain(activities).map(|(at, step)| (at, n, step)));
    }
    steps.sort_by_key(|(at, ..)| *at);
    for (at, n, step) in steps {
        hand.wait_until(at);
        let Some(Organisation { api, deals, activities, .. }) = organisations.get_mut(n) else { continue };
        match step {
            Step::Deal(step) => deals.take(api, step).await?,
            Step::Activity(step) => activities.take(api, step, deals).await?,
        }
    }
    for Organisation { api, name, .. } in &mut organisations {
        api.patch("/api/v1/organization", &json!({"name": name})).await?;
    }
    Ok(organisations)
}

/// What an organisation does first.
async fn begin(mut api: Api, name: &'static str) -> anyhow::Result<Organisation> {
    people::fields(&mut api).await?;
    let rep = people::representative(&mut api).await?;
    let (companies, contacts) = records::load(&mut api, &rep).await?;
    Ok(Organisation {
        contacts: contacts.len(),
        deals: Deals::begin(&mut api, &rep, companies, contacts.clone()).await?,
        activities: Activities::begin(rep, contacts),
        api,
        name,
    })
}

/// Some moment in the working hours of a day, another for every `n`; of the Monday after a weekend.
fn working_time(day: OffsetDateTime, n: usize) -> OffsetDateTime {
    let to_monday = match day.weekday() {
        Weekday::Saturday => 2,
        Weekday::Sunday => 1,
        _ => 0,
    };
    in_working_hours(day + Duration::days(to_monday), n)
}

/// As [`working_time`], but of the Friday before a weekend: what is to be over by now must not move towards it.
fn earlier_working_time(day: OffsetDateTime, n: usize) -> OffsetDateTime {
    let to_friday = match day.weekday() {
        Weekday::Saturday => 1,
        Weekday::Sunday => 2,
        _ => 0,
    };
    in_working_hours(day - Duration::days(to_friday), n)
}

fn in_working_hours(day: OffsetDateTime, n: usize) -> OffsetDateTime {
    let minute = (n * 37 % 540) as i64;
    day.replace_time(Time::MIDNIGHT) + Duration::hours(8) + Duration::minutes(minute)
}
