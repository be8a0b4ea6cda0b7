//! What other services ask of the records service.

use auth::Context;
use error::Error;
use proto::common::v1::RecordIds;
use proto::records::v1 as pb;
use proto::records::v1::records_service_client::RecordsServiceClient;
use tonic::Request;

use crate::Channel;

/// A client of the records service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Records {
    client: RecordsServiceClient<Channel>,
}

impl Records {
    /// A client.
    pub fn new(channel: Channel) -> Self {
        Self { client: RecordsServiceClient::new(channel) }
    }

    /// Those of the ids that name nothing which the caller may refer to.
    pub async fn check_records(
        &self,
        cx: &Context,
        records: Vec<RecordIds>,
    ) -> Result<Vec<RecordIds>, Error> {
        let mut request = Request::new(pb::CheckRecordsRequest { records });
        cx.forward(request.metadata_mut())?;
        Ok(self.client.clone().check_records(request).await?.into_inner().unknown)
    }
}
