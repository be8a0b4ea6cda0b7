//! A tenant's first pipeline, which is its default: made when the tenant is created, or at the first look before that event arrives.

use std::sync::Arc;

use db::TenantTx;
use error::Error;
use events::{Delivery, Handler, HandlerError};

use super::create::{New, insert};
use super::{By, store};
use crate::app::App;
use crate::document::{FIRST, template};

/// The task that hears of new tenants.
pub(crate) const TASK: &str = "pipeline.first_pipelines";
/// The events of them.
pub(crate) const PATTERNS: &[&str] = &["identity.tenant.created.v1"];

/// Gives new tenants their first pipeline.
pub(crate) struct Listener(pub(crate) Arc<App>);

impl Handler for Listener {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let clock = &self.0.env.clock;
        let by = By { clock, actor: delivery.event.actor, now: clock.now_micros() };
        ensure(tx, by).await?;
        Ok(())
    }
}

/// Makes it, once for each tenant: whoever comes second finds that it was made.
pub(crate) async fn ensure(tx: &mut TenantTx, by: By<'_>) -> Result<(), Error> {
    if !store::begin(tx, by.now).await? {
        return Ok(());
    }
    let template = template(FIRST)?.ok_or_else(|| Error::internal("the first template is missing"))?;
    let new = New { name: "Sales".to_owned(), document: template.document, is_default: true };
    insert(tx, by, new).await.map(drop)
}
