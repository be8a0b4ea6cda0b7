//! Ctrl-C and SIGTERM cancel the progress, from the first moment on; whoever waits then clears up.

use anyhow::{Context, Result};
use testkit::Progress;
use tokio::signal::unix::{SignalKind, signal};

/// Cancels `progress` on SIGINT, SIGTERM or SIGHUP.
pub(crate) fn watch(progress: &Progress) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().context("the signal runtime")?;
    let mut signals = {
        let _inside = runtime.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
            .map(signal)
            .into_iter()
            .collect::<std::io::Result<Vec<_>>>()
            .context("listening for signals")?
    };
    let progress = progress.clone();
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let [a, b, c] = signals.as_mut_slice() else { return };
                tokio::select! { _ = a.recv() => {}, _ = b.recv() => {}, _ = c.recv() => {} }
                progress.cancel();
            }
        });
    });
    Ok(())
}
