//! What other services ask of the pipeline service.

crate::owner::owner! {
    /// A client of the pipeline service. Cheap to clone.
    Pipeline, pipeline, pipeline_service_client::PipelineServiceClient
}
