//! `./dev up`: everything, started and ready.

use std::process::ExitCode;

use anyhow::Result;
use saga_trials::screen::say;

pub(crate) async fn run() -> Result<ExitCode> {
    let mut system = super::system()?;
    system.start().await?;
    for part in system.parts().await? {
        say("", &format!("{:<18} {}", part.name, part.url));
    }
    say("next", "./dev status   eval \"$(./dev env)\"   ./dev saga list   ./dev down");
    Ok(ExitCode::SUCCESS)
}
