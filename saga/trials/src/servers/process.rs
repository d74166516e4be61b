//! A process that outlives us: started in the background, known by more than its number, stopped by it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::{Trouble, place::Account};

/// A process that we started. Its number alone could by now be another's; with its start time and the boot it
/// belongs to it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the boot.
    pub ticks: u64,
    /// The boot's id.
    pub boot: String,
}

/// From how many bytes on a log is set aside when its process starts again.
const LARGE: u64 = 10_000_000;

/// How long to look again after, while waiting for a process or server.
const GLANCE: Duration = Duration::from_millis(50);

impl Started {
    /// Starts `command` in the background: a process group of its own (the terminal's Ctrl-C is not for it), no
    /// stdin, what it prints appended to `log`, as `account` if one is given.
    ///
    /// # Errors
    /// When the program cannot be run or the log cannot be opened.
    pub fn spawn(mut command: Command, log: &Path, account: Option<&Account>) -> Result<Self, Trouble> {
        set_aside(log)?;
        let open = || OpenOptions::new().create(true).append(true).mode(0o600).open(log);
        let out = open().map_err(Trouble::at("opening", log))?;
        let err = out.try_clone().map_err(Trouble::at("opening", log))?;
        run_as(&mut command, account);
        let program = Path::new(command.get_program()).to_owned();
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0).spawn();
        let mut child = child.map_err(Trouble::at("starting", &program))?;
        let started = Self::now(child.id());
        // Should it end before us: what ended and was never waited for still counts as running, for PostgreSQL too.
        std::thread::spawn(move || child.wait());
        started.ok_or_else(|| not_ready(&program.display().to_string(), "ended at once", log))
    }

    /// The process with that number as it is now, if there is one.
    #[must_use]
    pub fn now(pid: u32) -> Option<Self> {
        let (state, ticks) = stat(pid)?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let ended = matches!(state, 'Z' | 'X') && threads(pid) <= 1;
        (!ended).then_some(Self { pid, ticks, boot })
    }

    /// Whether it still runs: this very process, not a later one of the same number.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::now(self.pid).as_ref() == Some(self)
    }

    /// Whether its program was replaced since it started: built anew, say.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        let program = fs::read_link(format!("/proc/{}/exe", self.pid));
        self.is_alive() && program.is_ok_and(|path| path.to_string_lossy().ends_with(" (deleted)"))
    }

    /// Sends it `signal`, if it is alive.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let (true, Some(pid)) = (self.is_alive(), pid) {
            // It may have left since: then there is nothing to signal.
            let _gone = kill_process(pid, signal);
        }
    }

    /// Asks it to leave, and makes it when it has not within `patience`. Says whether it had to be made.
    pub async fn stop(&self, ask: Signal, patience: Duration) -> bool {
        self.signal(ask);
        if self.gone_within(patience).await {
            return false;
        }
        self.signal(Signal::KILL);
        self.gone_within(Duration::from_secs(5)).await;
        true
    }

    async fn gone_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(GLANCE).await;
        }
        true
    }

    /// Waits until `ready` says yes; gives up when the process leaves, or after `patience`.
    ///
    /// # Errors
    /// [`Trouble::NotReady`], with the end of its log.
    pub async fn until<F>(&self, server: &str, log: &Path, patience: Duration, ready: F) -> Result<(), Trouble>
    where
        F: AsyncFn() -> bool,
    {
        let deadline = Instant::now() + patience;
        while !ready().await {
            if !self.is_alive() {
                return Err(not_ready(server, "ended instead of getting ready", log));
            }
            if Instant::now() >= deadline {
                return Err(not_ready(server, &format!("was not ready within {} s", patience.as_secs()), log));
            }
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }
}

/// A log that has grown large makes room for a new one.
fn set_aside(log: &Path) -> Result<(), Trouble> {
    match fs::metadata(log) {
        Ok(meta) if meta.len() > LARGE => {
            fs::rename(log, log.with_extension("log.old")).map_err(Trouble::at("naming", log))
        }
        _ => Ok(()),
    }
}

/// Makes `command` run as `account`, with that account's groups alone.
pub fn run_as(command: &mut Command, account: Option<&Account>) {
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
}

/// Runs `command` to its end and gives back what it printed.
///
/// # Errors
/// When it cannot be run, or fails; then with the end of what it printed.
pub fn run(command: &mut Command) -> Result<String, Trouble> {
    let name = Path::new(command.get_program()).to_owned();
    let output = command.stdin(Stdio::null()).output().map_err(Trouble::at("running", &name))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let all = format!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    let tail: Vec<&str> = all.lines().rev().take(20).collect();
    Err(Trouble::Program {
        program: name.display().to_string(),
        status: output.status.to_string(),
        output: tail.into_iter().rev().collect::<Vec<_>>().join("\n"),
    })
}

/// A [`Trouble::NotReady`] with the end of `log`.
pub(crate) fn not_ready(server: &str, what: &str, log: &Path) -> Trouble {
    Trouble::NotReady { server: server.into(), what: what.into(), log: log.display().to_string(), tail: tail(log) }
}

/// The last lines of a log, at most 4 KiB of them.
fn tail(log: &Path) -> String {
    let read = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("({error})"))
}

/// A process's state letter and start time, from `/proc`. The name in it may hold spaces and brackets.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// How many threads it has. One whose first thread has ended holds its ports until the last has.
fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map(Iterator::count).unwrap_or(0)
}

/// Copies a program that a test will run. In a process of its own: whatever another test starts meanwhile would inherit the
/// file while it is open for writing, and such a file cannot be run.
#[cfg(test)]
pub(super) fn copy_program(from: &Path, to: &Path) {
    run(Command::new("cp").arg(from).arg(to)).expect("cp copies a program");
}

#[cfg(test)]
mod tests {
    use saga_runtime::testing::eventually;

    use super::*;

    fn sleeper(name: &str) -> (Started, std::path::PathBuf) {
        let log = std::env::temp_dir().join(format!("sagaforge-process-{}-{name}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo hello; exec sleep 60"]);
        (Started::spawn(command, &log, None).unwrap(), log)
    }

    #[tokio::test]
    async fn it_is_stopped_by_its_number_and_then_gone() {
        let (started, log) = sleeper("stop");
        assert!(started.is_alive());
        assert!(!started.stop(Signal::TERM, Duration::from_secs(5)).await, "it left when asked");
        assert!(!started.is_alive());
        fs::remove_file(log).unwrap();
    }

    #[tokio::test]
    async fn another_process_of_the_same_number_is_left_alone() {
        let (started, log) = sleeper("other");
        let stale = Started { ticks: started.ticks - 1, ..started.clone() };
        assert!(!stale.is_alive());
        stale.stop(Signal::KILL, Duration::from_millis(100)).await;
        assert!(started.is_alive());
        started.stop(Signal::KILL, Duration::from_secs(5)).await;
        fs::remove_file(log).unwrap();
    }

    #[tokio::test]
    async fn a_program_built_anew_makes_the_running_one_outdated() {
        let dir = std::env::temp_dir().join(format!("sagaforge-outdated-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let program = dir.join("sleeper");
        copy_program(Path::new("/bin/sleep"), &program);
        let mut command = Command::new(&program);
        command.arg("60");
        let started = Started::spawn(command, &dir.join("log"), None).unwrap();
        assert!(!started.is_outdated());
        fs::remove_file(&program).unwrap();
        copy_program(Path::new("/bin/sleep"), &program);
        assert!(started.is_outdated());
        started.stop(Signal::KILL, Duration::from_secs(5)).await;
        assert!(!started.is_outdated());
        fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn one_that_never_gets_ready_is_told_with_the_end_of_its_log() {
        let (started, log) = sleeper("ready");
        let said = async || fs::read_to_string(&log).is_ok_and(|said| said.contains("hello"));
        eventually("it has said something", Duration::from_secs(20), said).await;
        let told = started.until("sleeper", &log, Duration::from_millis(300), async || false).await.unwrap_err();
        assert!(told.to_string().contains("sleeper was not ready within 0 s"), "{told}");
        assert!(told.to_string().contains("hello"), "{told}");
        started.stop(Signal::KILL, Duration::from_secs(5)).await;
        let told = started.until("sleeper", &log, Duration::from_secs(5), async || false).await.unwrap_err();
        assert!(told.to_string().contains("ended instead of getting ready"), "{told}");
        fs::remove_file(log).unwrap();
    }
}
