//! A process dies before it has read a call that was sent to it: the repeat of the client succeeds.

use std::time::Duration;

use testkit::fleet::Role;

use crate::client::Answer;
use crate::stage::Stage;
use crate::waiting;

/// Freezes `role`, sends `call`, kills the process, starts it again and repeats the call as its client would, until something else than 503
/// or 504 comes back. Without a stage it is called once.
pub async fn killed_during<F>(stage: Option<&mut Stage>, role: Role, call: impl Fn() -> F) -> Answer
where
    F: Future<Output = Result<Answer, reqwest::Error>> + Send + 'static,
{
    let Some(stage) = stage else { return call().await.expect("an answer") };
    stage.fleet.pause(role).expect("paused");
    let mut in_flight = tokio::spawn(call());
    // Frozen with the request sent: it can neither finish nor fail.
    tokio::time::timeout(Duration::from_millis(300), &mut in_flight)
        .await
        .expect_err("the request is not in flight");
    stage.fleet.kill9(role).expect("killed");
    let lost = in_flight.await.expect("the call's task");
    if let Ok(answer) = &lost {
        assert!(matches!(answer.status, 503 | 504), "{}: {} {}", role.name(), answer.status, answer.text);
        assert!(
            answer.status != 503 || answer.header("retry-after").is_some(),
            "{}: no Retry-After",
            role.name()
        );
    }
    tokio::task::block_in_place(|| stage.fleet.restart(role)).expect("started again");
    waiting::outcome(Duration::from_secs(30), "an answer", async || match call().await {
        Ok(answer) if matches!(answer.status, 503 | 504) => Err(format!("{} {}", answer.status, answer.text)),
        Ok(answer) => Ok(answer),
        Err(error) => Err(error.to_string()),
    })
    .await
}
