//! Activities and what they are about.

use crate::entries::reasons;

reasons! {
    /// There is no such activity: it does not exist, is deleted, belongs to another organization, or you may not read it. All four answer the same.
    ACTIVITY_NOT_FOUND [404] "Activity not found",
        "Check the id. If the activity was deleted, find it with `show_deleted=only` and restore it.";
    /// The activity to restore is not in the trash.
    ACTIVITY_NOT_DELETED [409] "Activity not deleted",
        "Nothing needs to be done; read the activity.";
    /// A completed or cancelled activity keeps what it says; `meta.state` names its state.
    ACTIVITY_CLOSED [409] "Activity closed",
        "Change only `tags`, `owner_id`, `team_id` and `links`, or create another activity.";
    /// The state of the activity does not permit this event; `meta` has both.
    TRANSITION_NOT_ALLOWED [409] "Transition not allowed",
        "Do one of the events in `allowed`; where there is none, create another activity.";
    /// The activity cannot come to this state without a value of this member.
    REQUIRED_FOR_STATE [violation] "Required for the state",
        "Send a value together with the event.";
    /// The text is no rule of recurrence that activities can have.
    RECURRENCE_INVALID [violation] "Recurrence invalid",
        "Send an RRULE of RFC 5545, daily or rarer, such as `FREQ=WEEKLY;BYDAY=MO;COUNT=10`.";
    /// The end is not later than the beginning.
    ENDS_BEFORE_START [violation] "Ends before it starts",
        "Send an end that is later than the beginning.";
}
