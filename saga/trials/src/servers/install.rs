//! Server programs installed by the machine's package manager, without their services.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::Command;

use super::{Trouble, process::run};
use crate::screen::say;

/// Installs `packages` with `apt-get`, as root or with sudo, and keeps their services from starting.
///
/// # Errors
/// When there is no `apt-get`, no right to use it, or it fails.
pub fn install(packages: &[&str]) -> Result<(), Trouble> {
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(Trouble::Unmet("there is no apt-get here".into()));
    }
    let mut command = as_root()?;
    let names = packages.join(" and ");
    let size = size_of(packages);
    say("servers", &format!("installing {names} with apt-get; their services are not started. {size}"));
    let script = format!(
        "set -e; export DEBIAN_FRONTEND=noninteractive; policy=/usr/sbin/policy-rc.d\n\
         if [ ! -e $policy ]; then printf '#!/bin/sh\\nexit 101\\n' > $policy; chmod 755 $policy; trap 'rm -f $policy' EXIT; fi\n\
         apt-get -qq update; apt-get -qq -y {}",
        arguments(packages).join(" ")
    );
    run(command.args(["sh", "-c", &script])).map(drop)
}

/// What apt-get says of the download's size, when it says anything.
fn size_of(packages: &[&str]) -> String {
    let mut command = Command::new("apt-get");
    command.env("LC_ALL", "C").args(["--assume-no", "-o", "Debug::NoLocking=true"]).args(arguments(packages));
    let printed = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    printed.unwrap_or_default().lines().find(|line| line.starts_with("Need to get")).unwrap_or_default().to_owned()
}

fn arguments<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    ["install", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect()
}

/// What runs a command with root's rights: nothing, or sudo; sudo asks for a password only where somebody can
/// type one.
fn as_root() -> Result<Command, Trouble> {
    if rustix::process::geteuid().is_root() {
        return Ok(Command::new("env"));
    }
    let mut sudo = Command::new("sudo");
    if !std::io::stdin().is_terminal() {
        sudo.arg("-n");
    }
    match Command::new("sudo").arg("--version").output() {
        Ok(_) => Ok(sudo),
        Err(_) => Err(Trouble::Unmet("it takes root, and there is no sudo".into())),
    }
}
