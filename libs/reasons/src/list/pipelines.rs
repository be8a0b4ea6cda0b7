//! Pipelines, their documents and versions.

use crate::entries::reasons;

reasons! {
    /// No such pipeline, or you may not see it.
    PIPELINE_NOT_FOUND [404] "Pipeline not found",
        "Look at `GET /pipelines`.";
    /// The pipeline has no version of this number.
    PIPELINE_VERSION_NOT_FOUND [404] "Pipeline version not found",
        "Look at `GET /pipelines/{id}/versions`.";
    /// New deals go into this pipeline, so it cannot be archived.
    PIPELINE_IS_DEFAULT [409] "Pipeline is the default",
        "Make another pipeline the default first.";
    /// The pipeline is archived and cannot be changed.
    PIPELINE_ARCHIVED [409, violation] "Pipeline archived",
        "Restore the pipeline first.";
    /// Open deals are in the pipeline; `meta.open_deals` counts them.
    PIPELINE_IN_USE [409] "Pipeline in use",
        "Move them to another pipeline, or close them, first.";
    /// The pipeline does not permit this move; `meta.rule` names the rule.
    MOVE_NOT_ALLOWED [409, violation] "Move not allowed",
        "Move the deal to one of the stages in `allowed`.";
    /// The stage, or the way to it, requires a value of this field.
    REQUIRED_FOR_STAGE [violation] "Required for the stage",
        "Send a value together with the move.";
    /// The pipeline asks why the deal makes this move.
    REASON_REQUIRED [violation] "Reason required",
        "Send a reason.";
    /// The organization has as many pipelines as it may have, archived ones included.
    PIPELINE_LIMIT_REACHED [422] "Pipeline limit reached",
        "Reuse a pipeline that is no longer needed.";
    /// There is always one default pipeline, so one cannot only stop being it.
    DEFAULT_REQUIRED [violation] "Default required",
        "Send `is_default: true` for the pipeline that is to be the default.";
    /// There is no draft that differs from what was published last.
    NOTHING_TO_PUBLISH [409] "Nothing to publish",
        "Change the draft first.";
    /// A version cannot come into force in the past.
    EFFECTIVE_IN_PAST [violation] "Effective in the past",
        "Send a later moment, or none for now.";
    /// There is no template of this key.
    TEMPLATE_UNKNOWN [violation] "Template unknown",
        "Send one of the keys of `GET /pipeline-templates`.";
    /// The document is larger than one may be.
    DOCUMENT_TOO_LARGE [violation] "Document too large",
        "Name fewer required fields and roles in its stages and transitions.";
    /// A transition leads from a stage to the same stage.
    TRANSITION_TO_ITSELF [violation] "Transition to itself",
        "Name two different stages, or take the transition out.";
    /// A pipeline begins with a template or with a document, and both were sent.
    TEMPLATE_AND_DOCUMENT [violation] "Template and document",
        "Send one of the two.";
    /// As many versions are scheduled as may be.
    TOO_MANY_SCHEDULED [violation] "Too many scheduled versions",
        "Wait until one of them is in force, or publish for now: that replaces those that would come later.";
    /// No stage has this key.
    STAGE_UNKNOWN [violation] "Stage unknown",
        "Send the key of a stage of the document.";
    /// Stages of a kind are missing: a pipeline has open, won and lost ones.
    STAGE_KIND_MISSING [violation] "Stage kind missing",
        "Add a stage of the kind that `detail` names.";
    /// A stage that deals may stand in keeps its kind.
    STAGE_KIND_CHANGED [violation] "Stage kind changed",
        "Leave the kind as it was, or give the stage another key.";
    /// The first stage is where deals begin, and is not open.
    FIRST_STAGE_CLOSED [violation] "First stage closed",
        "Put an open stage first.";
    /// Deals in this open stage could never be won, or never be lost.
    STAGE_DEAD_END [violation] "Stage is a dead end",
        "Permit a move that leads on, by the rules or by a transition.";
    /// More periods have deals than a forecast shows.
    TOO_MANY_PERIODS [violation] "Too many periods",
        "Ask for longer periods, or for a window by `from` and `to`.";
    /// The text is not a colour.
    COLOR_INVALID [violation] "Colour invalid",
        "Send `#` and six hexadecimal digits, such as `#4C6FFF`.";
}
