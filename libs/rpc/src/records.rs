//! What other services ask of the records service.

crate::owner::owner! {
    /// A client of the records service. Cheap to clone.
    Records, records, records_service_client::RecordsServiceClient
}
