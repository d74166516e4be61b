//! A private RabbitMQ with its management interface: its settings, its environment, its start.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{
    Stack, Trouble,
    given::Broker,
    process::{Started, not_ready},
    programs::RabbitPrograms,
    secrets::write_private,
    vhosts::Management,
};

/// The administrator's name.
pub const USER: &str = "sagaforge";

/// How much memory it may use before it takes no more messages.
pub(crate) const MEMORY: &str = "2GB";

/// How much disk must be free, or it takes no more messages.
pub(crate) const DISK: &str = "200MB";

/// How long a start may take: it costs four seconds of processor time, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Starts the stack's RabbitMQ, and the port mapper that its node needs, unless they run.
///
/// # Errors
/// When its directory cannot be made or the program cannot be run.
pub fn launch(stack: &mut Stack, programs: &RabbitPrograms) -> Result<(), Trouble> {
    if stack.running("rabbitmq").is_some() {
        return Ok(());
    }
    let home = stack.data("rabbitmq");
    for dir in [home.clone(), home.join("home"), home.join("mnesia"), home.join("log")] {
        stack.place.servers_dir(&dir)?;
    }
    if stack.running("epmd").is_none() {
        stack.ports.free("epmd")?;
    }
    for port in ["amqp", "management", "distribution"] {
        stack.ports.free(port)?;
    }
    write_settings(stack, &home)?;
    let (account, log) = (stack.place.account.clone(), stack.log("rabbitmq"));
    if stack.running("epmd").is_none() {
        let mut command = programs.epmd();
        let port = stack.ports.of("epmd")?.to_string();
        command.env_clear().args(["-port", &port, "-address", "127.0.0.1"]).current_dir(&home);
        let started = Started::spawn(command, &log, account.as_ref())?;
        stack.note("epmd", started)?;
    }
    let mut command = command(stack, programs, "rabbitmq-server")?;
    // With input allowed the script becomes the Erlang machine instead of watching over it: one number to stop,
    // and a crash of it is a crash of the server. It gets no input all the same.
    command.env("RABBITMQ_ALLOW_INPUT", "true");
    let loopback = "-noinput -kernel inet_dist_use_interface {127,0,0,1}";
    command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", loopback);
    let started = Started::spawn(command, &log, account.as_ref())?;
    stack.note("rabbitmq", started)
}

/// Waits until it takes connections and its management interface answers.
///
/// # Errors
/// When it left, or did not answer in time.
pub async fn wait(stack: &mut Stack) -> Result<(), Trouble> {
    let log = stack.log("rabbitmq");
    let port = stack.ports.of("amqp")?;
    let management = Management::at(&urls(stack)?.management)?;
    let Some(started) = stack.running("rabbitmq") else {
        return Err(not_ready("RabbitMQ", "ended instead of getting ready", &log));
    };
    let ready = async || TcpStream::connect(("127.0.0.1", port)).is_ok() && management.version().await.is_ok();
    started.until("RabbitMQ", &log, PATIENCE, ready).await
}

/// How long RabbitMQ may take until it has written the name of a new queue down. One that is killed before makes the queue
/// anew when it comes back, without what it had confirmed, and a stream not at all.
const WRITTEN_DOWN: Duration = Duration::from_secs(5);

/// Waits until queues that were declared just now outlive a kill.
pub async fn written_down() {
    tokio::time::sleep(WRITTEN_DOWN).await;
}

/// The administrator's URLs.
///
/// # Errors
/// When password or ports cannot be written down.
pub fn urls(stack: &mut Stack) -> Result<Broker, Trouble> {
    let login = format!("{USER}:{}", stack.secrets.get("rabbitmq")?);
    let (amqp, management) = (stack.ports.of("amqp")?, stack.ports.of("management")?);
    Ok(Broker {
        amqp: format!("amqp://{login}@127.0.0.1:{amqp}"),
        management: format!("http://{login}@127.0.0.1:{management}"),
    })
}

/// One of RabbitMQ's scripts, in the environment that makes it the stack's own.
///
/// # Errors
/// When ports cannot be written down.
pub fn command(stack: &mut Stack, programs: &RabbitPrograms, program: &str) -> Result<Command, Trouble> {
    let home = stack.data("rabbitmq");
    let distribution = stack.ports.of("distribution")?;
    let mut command = programs.command(program);
    command.current_dir(&home).env("HOME", home.join("home"));
    command.env("RABBITMQ_NODENAME", "sagaforge@localhost").env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
    command.env("RABBITMQ_NODE_PORT", stack.ports.of("amqp")?.to_string());
    command.env("RABBITMQ_DIST_PORT", distribution.to_string());
    command.env("ERL_EPMD_PORT", stack.ports.of("epmd")?.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
    for (name, path) in files(&home) {
        command.env(name, path);
    }
    Ok(command)
}

/// Every file and directory that RabbitMQ would else look for in the machine's own places.
fn files(home: &Path) -> [(&'static str, PathBuf); 8] {
    [
        ("RABBITMQ_CONF_ENV_FILE", home.join("rabbitmq-env.conf")),
        ("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf")),
        ("RABBITMQ_CONFIG_FILES", home.join("conf.d")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", home.join("advanced.config")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", home.join("enabled_plugins")),
        ("RABBITMQ_MNESIA_BASE", home.join("mnesia")),
        ("RABBITMQ_LOG_BASE", home.join("log")),
        ("RABBITMQ_PID_FILE", home.join("pid")),
    ]
}

fn write_settings(stack: &mut Stack, home: &Path) -> Result<(), Trouble> {
    let (amqp, management) = (stack.ports.of("amqp")?, stack.ports.of("management")?);
    let password = stack.secrets.get("rabbitmq")?;
    let settings = format!(
        "listeners.tcp.default = 127.0.0.1:{amqp}\n\
         management.tcp.ip = 127.0.0.1\n\
         management.tcp.port = {management}\n\
         default_user = {USER}\n\
         default_pass = {password}\n\
         default_user_tags.administrator = true\n\
         log.file = false\n\
         log.console = true\n\
         log.console.level = warning\n\
         log.console.use_colors = off\n\
         vm_memory_high_watermark.absolute = {MEMORY}\n\
         disk_free_limit.absolute = {DISK}\n"
    );
    let texts = [
        ("rabbitmq.conf", settings.as_str()),
        ("rabbitmq-env.conf", ""),
        ("enabled_plugins", "[rabbitmq_management].\n"),
        ("advanced.config", "[].\n"),
    ];
    for (name, text) in texts {
        let path = home.join(name);
        write_private(&path, text.as_bytes())?;
        stack.place.give(&path)?;
    }
    Ok(())
}
