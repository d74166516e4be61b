//! A private PostgreSQL: its data directory, its settings, its start.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{
    Stack, Trouble,
    process::{Started, run, run_as},
    programs::PostgresPrograms,
    secrets::write_private,
};

/// The administrator's name.
pub const USER: &str = "postgres";

/// How long a start may take: recovery after a crash included, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to start it again while sessions of one that was killed are still leaving, and how long to let them.
const LEAVING: (u32, Duration) = (20, Duration::from_millis(500));

/// A socket's path has at most 107 bytes; its name here is `.s.PGSQL.` and a port.
const LONGEST_SOCKET_DIR: usize = 90;

/// How much memory a PostgreSQL takes, and how much log it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// `shared_buffers`, in MB as PostgreSQL counts them.
    pub shared_buffers: u32,
    /// `max_wal_size`: how much log is written until a checkpoint.
    pub max_wal_size: &'static str,
    /// `min_wal_size`: how much room for the log is kept for its next files.
    pub min_wal_size: &'static str,
}

impl Size {
    /// For a laptop.
    pub const SMALL: Self = Self { shared_buffers: 256, max_wal_size: "2GB", min_wal_size: "80MB" };
    /// For a machine that does nothing else.
    pub const LARGE: Self = Self { shared_buffers: 512, max_wal_size: "4GB", min_wal_size: "1GB" };
}

/// Starts the stack's PostgreSQL unless it runs; makes its data directory the first time.
///
/// # Errors
/// When the directory cannot be made or the program cannot be run.
pub fn launch(stack: &mut Stack, programs: &PostgresPrograms) -> Result<(), Trouble> {
    if stack.running("postgres").is_some() {
        return Ok(());
    }
    let home = stack.data("postgres");
    stack.place.servers_dir(&home)?;
    let data = home.join("data");
    if !data.join("PG_VERSION").exists() {
        create(stack, programs, &home, &data)?;
    }
    let port = stack.ports.free("postgres")?;
    let settings = home.join("sagaforge.conf");
    write_private(&settings, settings_text(port, socket_dir(stack).as_deref(), stack.size).as_bytes())?;
    stack.place.give(&settings)?;
    let mut command = programs.command("postgres");
    command.arg("-D").arg(&data).current_dir(&home);
    let started = Started::spawn(command, &stack.log("postgres"), stack.place.account.as_ref())?;
    stack.note("postgres", started)
}

/// Waits until it lets its administrator in; starts it again while sessions of one that was killed hold its memory.
///
/// # Errors
/// When it left, or did not answer in time.
pub async fn wait(stack: &mut Stack, programs: &PostgresPrograms) -> Result<(), Trouble> {
    for _ in 0..LEAVING.0 {
        match wait_once(stack).await {
            Err(trouble) if trouble.to_string().contains("shared memory block") => {}
            other => return other,
        }
        tokio::time::sleep(LEAVING.1).await;
        launch(stack, programs)?;
    }
    wait_once(stack).await
}

// A file that is to be left needs something in it.
const NEXT_LOG_FILE: &str =
    "SELECT pg_logical_emit_message(false, 'sagaforge', 'leaves this file'); SELECT pg_switch_wal()";

const MOST_LOG_FILES: &str =
    "SELECT pg_size_bytes(current_setting('min_wal_size')) / pg_size_bytes(current_setting('wal_segment_size'))";

/// Has as many files of the log as it keeps, as a server that has run for a while: it then writes its log into old ones. A
/// new file is filled with zeros first, and all commits wait for that.
///
/// # Errors
/// When it does not do what it is told.
pub async fn make_log_files(url: &str) -> Result<(), Trouble> {
    let making = Trouble::sql("making the files of its log");
    let client = super::databases::connect(&format!("{url}/postgres")).await?;
    let made = async {
        let files: i64 = client.query_one(MOST_LOG_FILES, &[]).await?.get(0);
        for _ in 0..files {
            client.batch_execute(NEXT_LOG_FILE).await?;
        }
        client.batch_execute("CHECKPOINT").await
    };
    made.await.map_err(making)
}

async fn wait_once(stack: &mut Stack) -> Result<(), Trouble> {
    let log = stack.log("postgres");
    let url = format!("{}/postgres", url(stack)?);
    let Some(started) = stack.running("postgres") else {
        return Err(super::process::not_ready("PostgreSQL", "ended instead of getting ready", &log));
    };
    started.until("PostgreSQL", &log, PATIENCE, async || super::databases::connect(&url).await.is_ok()).await
}

/// The administrator's URL, without a database.
///
/// # Errors
/// When password or port cannot be written down.
pub fn url(stack: &mut Stack) -> Result<String, Trouble> {
    Ok(format!("postgres://{USER}:{}@127.0.0.1:{}", stack.secrets.get("postgres")?, stack.ports.of("postgres")?))
}

/// Where its Unix socket is: with its data, for the eyes of its account alone. `None` where that path is too long for one.
#[must_use]
pub fn socket_dir(stack: &Stack) -> Option<String> {
    let dir = stack.data("postgres").into_os_string().into_string().ok()?;
    (dir.len() <= LONGEST_SOCKET_DIR && !dir.contains(['\'', ',', '"'])).then_some(dir)
}

/// Makes the data directory beside its place and moves it there whole, so that an interruption leaves none.
fn create(stack: &mut Stack, programs: &PostgresPrograms, home: &Path, data: &Path) -> Result<(), Trouble> {
    let half = home.join("data.new");
    if half.exists() {
        fs::remove_dir_all(&half).map_err(Trouble::at("removing", &half))?;
    }
    let password = home.join("password");
    write_private(&password, stack.secrets.get("postgres")?.as_bytes())?;
    stack.place.give(&password)?;
    let mut command = programs.command("initdb");
    command.arg("-D").arg(&half).arg(format!("--username={USER}"));
    command.arg("--pwfile").arg(&password).args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]);
    run_as(command.current_dir(home), stack.place.account.as_ref());
    let made = run(&mut command);
    fs::remove_file(&password).map_err(Trouble::at("removing", &password))?;
    made?;
    let settings = half.join("postgresql.conf");
    let include = "include = '../sagaforge.conf'\n";
    fs::read(&settings)
        .and_then(|mut text| {
            text.extend_from_slice(include.as_bytes());
            fs::write(&settings, text)
        })
        .map_err(Trouble::at("writing", &settings))?;
    fs::rename(&half, data).map_err(Trouble::at("naming", data))
}

/// Durable as in earnest (fsync stays on), and no session that hangs for ever.
fn settings_text(port: u16, socket_dir: Option<&str>, size: Size) -> String {
    let Size { shared_buffers, max_wal_size, min_wal_size } = size;
    let socket_dir = socket_dir.unwrap_or_default();
    format!(
        "# Written at each start.\n\
         listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         unix_socket_directories = '{socket_dir}'\n\
         max_connections = 300\n\
         shared_buffers = {shared_buffers}MB\n\
         max_wal_size = {max_wal_size}\n\
         min_wal_size = {min_wal_size}\n\
         wal_compression = lz4\n\
         fsync = on\n\
         synchronous_commit = on\n\
         jit = off\n\
         timezone = 'GMT'\n\
         log_timezone = 'GMT'\n\
         lock_timeout = '60s'\n\
         idle_in_transaction_session_timeout = '60s'\n\
         client_connection_check_interval = '5s'\n\
         tcp_keepalives_idle = 30\n\
         log_min_messages = warning\n\
         log_line_prefix = '%m [%p] %u@%d '\n"
    )
}
