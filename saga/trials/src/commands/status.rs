//! `./dev status`: what is up, and whether it answers.

use std::process::ExitCode;

use anyhow::Result;
use saga_trials::screen::print;

pub(crate) async fn run() -> Result<ExitCode> {
    let parts = super::system()?.parts().await?;
    for part in &parts {
        let pid = part.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let state = match (part.ready, part.pid) {
            (true, _) => "ready",
            (false, Some(_)) => "not ready",
            (false, None) => "down",
        };
        print(&format!("{:<18} {:<30} pid {pid:<8} {state}\n", part.name, part.url))?;
    }
    Ok(if parts.iter().all(|part| part.ready) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
