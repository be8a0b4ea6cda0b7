//! What owners of records ask of the fields service.

use auth::Context;
use error::Error;
use proto::fields::v1 as pb;
use proto::fields::v1::fields_service_client::FieldsServiceClient;
use tonic::Request;

use crate::Channel;

/// A client of the fields service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fields {
    client: FieldsServiceClient<Channel>,
}

impl Fields {
    /// A client.
    pub fn new(channel: Channel) -> Self {
        Self { client: FieldsServiceClient::new(channel) }
    }

    /// All definitions of `object` in the caller's tenant; without fields when `if_version` is still the version (0: none
    /// held).
    pub async fn field_set(
        &self,
        cx: &Context,
        object: &str,
        if_version: i64,
    ) -> Result<pb::GetFieldSetResponse, Error> {
        let mut request = Request::new(pb::GetFieldSetRequest { object: object.to_owned(), if_version });
        cx.forward(request.metadata_mut())?;
        Ok(self.client.clone().get_field_set(request).await?.into_inner())
    }

    /// Gives a field of the caller's tenant a slot that is to be filled; with `validate_only` it only says what would be refused.
    pub async fn assign_slot(
        &self,
        cx: &Context,
        object: String,
        id: String,
        validate_only: bool,
    ) -> Result<(), Error> {
        let mut request = Request::new(pb::AssignSlotRequest { object, id, validate_only });
        cx.forward(request.metadata_mut())?;
        self.client.clone().assign_slot(request).await?;
        Ok(())
    }

    /// Says that the slot of a field is filled, which it got by this assignment.
    pub async fn finish_slot(
        &self,
        cx: &Context,
        object: String,
        id: String,
        slot_assignment: i64,
    ) -> Result<(), Error> {
        let mut request = Request::new(pb::FinishSlotRequest { object, id, slot_assignment });
        cx.forward(request.metadata_mut())?;
        self.client.clone().finish_slot(request).await?;
        Ok(())
    }

    /// The generated client, for the calls without a wrapper.
    pub fn client(&self) -> FieldsServiceClient<Channel> {
        self.client.clone()
    }
}
