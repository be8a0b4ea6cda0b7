//! A queue of the test's own that hears every event, compared with what was committed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties, ExchangeKind};
use prost::Message;
use proto::events::v1::cloud_event_attribute_value::Attr;
use proto::events::v1::{CloudEvent, RecordEvent, cloud_event};
use sqlx::Connection as _;
use tokio::time::MissedTickBehavior;

use crate::stage::{Stage, Tenant};
use crate::waiting;

/// `(tenant, object, record, version)`.
type Entry = (String, String, String, i64);

/// What was heard.
pub struct Ledger {
    heard: Arc<Mutex<Heard>>,
}

#[derive(Clone, Default)]
struct Heard {
    changes: BTreeSet<Entry>,
    /// Tenants and records that are gone, and with them what the change logs had of them.
    purged: BTreeSet<(String, String)>,
}

const QUEUE: &str = "test.ledger";

/// How long the last events may take, after the broker's death too.
const HEARD: Duration = Duration::from_secs(60);

impl Heard {
    fn note(&mut self, tenant: String, record: RecordEvent, is_purge: bool) {
        if is_purge {
            self.purged.insert((tenant.clone(), record.record_id.clone()));
        }
        self.changes.insert((tenant, record.object, record.record_id, record.version));
    }
}

impl Ledger {
    /// Binds the queue before anything happens, and listens for as long as the test runs, across the broker's death.
    pub async fn open(amqp: &str) -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let (amqp, into) = (amqp.to_owned(), heard.clone());
        // The queue must be bound before the first change is made.
        drop(connect(&amqp).await.expect("the broker"));
        tokio::spawn(async move {
            // The pace of a client that connects again and again while the broker is dead.
            let mut pace = tokio::time::interval(Duration::from_millis(200));
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                pace.tick().await;
                if let Err(error) = listen(&amqp, &into).await {
                    eprintln!("ledger: {error}; again");
                }
            }
        });
        Self { heard }
    }

    /// Waits until everything committed was heard, and refuses anything that was not committed.
    pub async fn holds_exactly_the_committed_changes(&self, stage: &Stage, tenants: &[&Tenant]) {
        let committed = committed(stage, tenants).await;
        assert!(committed.len() > 5_000, "the journey made {} changes", committed.len());
        for object in ["note", "activity", "deal"] {
            assert!(committed.iter().any(|(_, of, ..)| of == object), "the journey wrote no {object}");
        }
        waiting::outcome(HEARD, "every event is heard", async || {
            let heard = self.heard.lock().expect("the ledger").changes.clone();
            let lost: Vec<&Entry> = committed.difference(&heard).collect();
            let some: Vec<&&Entry> = lost.iter().take(5).collect();
            if lost.is_empty() { Ok(()) } else { Err(format!("{} were lost, e.g. {some:?}", lost.len())) }
        })
        .await;
        let Heard { changes, purged } = self.heard.lock().expect("the ledger").clone();
        // Other tests share the broker.
        let ours = |tenant: &str| tenants.iter().any(|t| t.id == tenant);
        let is_record = |object: &str| matches!(object, "contact" | "company" | "note" | "activity" | "deal");
        let is_there = |t: &String, id: &String| !purged.contains(&(t.clone(), id.clone()));
        let records: BTreeSet<Entry> =
            changes.into_iter().filter(|(t, o, id, _)| ours(t) && is_record(o) && is_there(t, id)).collect();
        let invented: Vec<&Entry> = records.difference(&committed).take(5).collect();
        assert!(invented.is_empty(), "events of changes that were rolled back: {invented:?}");
    }
}

async fn connect(amqp: &str) -> Result<lapin::Channel, lapin::Error> {
    let uri = format!("{amqp}{}heartbeat=5", if amqp.contains('?') { '&' } else { '?' });
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { passive: true, durable: true, ..Default::default() };
    channel
        .exchange_declare("globcrm.events".into(), ExchangeKind::Topic, durable, FieldTable::default())
        .await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), options, arguments).await?;
    channel
        .queue_bind(
            QUEUE.into(),
            "globcrm.events".into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    Ok(channel)
}

async fn listen(amqp: &str, heard: &Mutex<Heard>) -> Result<(), lapin::Error> {
    let channel = connect(amqp).await?;
    let mut consumer = channel
        .basic_consume(QUEUE.into(), "ledger".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        let event = CloudEvent::decode(delivery.data.as_slice()).expect("an envelope");
        let Some(cloud_event::Data::BinaryData(data)) = event.data else {
            panic!("an event without data: {event:?}")
        };
        let record = RecordEvent::decode(data).expect("a record event");
        let tenant = match event.attributes.get("tenantid").and_then(|a| a.attr.clone()) {
            Some(Attr::CeString(tenant)) => tenant,
            other => panic!("an event without its tenant: {other:?}"),
        };
        heard.lock().expect("the ledger").note(tenant, record, event.r#type.ends_with(".purged.v1"));
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// Every change of a record that was committed for the tenants, from the change logs.
async fn committed(stage: &Stage, tenants: &[&Tenant]) -> BTreeSet<Entry> {
    let admin = stage.backing.postgres_admin_url();
    let url = match admin.rsplit_once('/') {
        Some((server, _)) => format!("{server}/globcrm"),
        None => panic!("no database in the administrator's URL"),
    };
    let mut connection = sqlx::PgConnection::connect(&url).await.expect("the database");
    let mut all = BTreeSet::new();
    for tenant in tenants {
        let rows: Vec<Entry> = sqlx::query_as(
            "SELECT tenant_id::text, object, record_id::text, version FROM records.change WHERE tenant_id = $1::text::uuid
             UNION ALL
             SELECT tenant_id::text, object, record_id::text, version FROM activities.change WHERE tenant_id = $1::text::uuid
             UNION ALL
             SELECT tenant_id::text, object, record_id::text, version FROM pipeline.change WHERE tenant_id = $1::text::uuid",
        )
        .bind(&tenant.id)
        .fetch_all(&mut connection)
        .await
        .expect("the change log");
        all.extend(rows);
    }
    all
}
