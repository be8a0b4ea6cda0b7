//! What other services ask of the pipeline service.

use std::collections::BTreeSet;

use auth::Context;
use error::{Code, Error};
use proto::pipeline::v1 as pb;
use proto::pipeline::v1::pipeline_service_client::PipelineServiceClient;
use tonic::Request;
use uuid::Uuid;

use crate::Channel;

/// Ids asked for at once: as many as a filter may list.
const AT_ONCE: usize = 100;

/// A client of the pipeline service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pipeline {
    client: PipelineServiceClient<Channel>,
}

impl Pipeline {
    /// A client.
    pub fn new(channel: Channel) -> Self {
        Self { client: PipelineServiceClient::new(channel) }
    }

    /// Those of the ids that name no deal which the caller may read.
    pub async fn unknown_deals(&self, cx: &Context, deals: Vec<Uuid>) -> Result<Vec<Uuid>, Error> {
        let mut known = BTreeSet::new();
        for ids in deals.chunks(AT_ONCE) {
            let texts: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
            let request = pb::ListDealsRequest {
                filter: format!("id = ({})", texts.join(", ")),
                fields: "id".to_owned(),
                page_size: Some(ids.len() as i32),
                ..Default::default()
            };
            let mut request = Request::new(request);
            cx.forward(request.metadata_mut())?;
            match self.client.clone().list_deals(request).await.map_err(Error::from) {
                Ok(listed) => known.extend(listed.into_inner().deals.into_iter().map(|deal| deal.id)),
                // Who may read no deals may read none of these.
                Err(refused) if refused.code() == Code::PermissionDenied => return Ok(deals),
                Err(error) => return Err(error),
            }
        }
        Ok(deals.into_iter().filter(|deal| !known.contains(&deal.to_string())).collect())
    }
}
