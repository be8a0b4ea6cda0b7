//! What other services ask of the records service.

use std::time::Duration;

use proto::records::v1 as pb;

/// How long a call may take that reads an upload.
const READ_WITHIN: Duration = Duration::from_secs(20);

crate::owner::owner! {
    /// A client of the records service. Cheap to clone.
    Records, records, records_service_client::RecordsServiceClient
}

impl Records {
    /// How an upload of the caller reads. Errors: 422 for what is wrong with the request or the file, at the members of an import.
    pub async fn examine_upload(
        &self,
        cx: &Context,
        asked: pb::ExamineUploadRequest,
    ) -> Result<pb::ExamineUploadResponse, Error> {
        let mut request = Request::new(asked);
        request.set_timeout(READ_WITHIN);
        cx.forward(request.metadata_mut())?;
        Ok(self.client.clone().examine_upload(request).await?.into_inner())
    }

    /// Rows of an upload of the caller, or how many it has.
    pub async fn read_upload(
        &self,
        cx: &Context,
        asked: pb::ReadUploadRequest,
    ) -> Result<pb::ReadUploadResponse, Error> {
        let mut request = Request::new(asked);
        request.set_timeout(READ_WITHIN);
        cx.forward(request.metadata_mut())?;
        Ok(self.client.clone().read_upload(request).await?.into_inner())
    }

    /// The contacts and companies that rows of a file name.
    pub async fn find_records(
        &self,
        cx: &Context,
        asked: pb::FindRecordsRequest,
    ) -> Result<pb::FindRecordsResponse, Error> {
        let mut request = Request::new(asked);
        cx.forward(request.metadata_mut())?;
        Ok(self.client.clone().find_records(request).await?.into_inner())
    }
}
