//! `ListPipelineTemplates`.

use auth::Context;
use proto::pipeline::v1 as pb;

use super::convert;
use crate::document;

/// The documents that are worth starting from. They are the same for everybody.
#[tracing::instrument(name = "pipeline.pipelines.templates", skip_all)]
pub(crate) fn templates(cx: &Context) -> error::Result<pb::ListPipelineTemplatesResponse> {
    cx.require_scope_all()?;
    let shown = document::templates()?.into_iter().map(|template| pb::PipelineTemplate {
        document: Some(convert::document(&template.document)),
        key: template.key,
        name: template.name,
        description: template.description,
    });
    Ok(pb::ListPipelineTemplatesResponse { templates: shown.collect() })
}
