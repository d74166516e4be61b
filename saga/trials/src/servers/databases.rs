//! The databases of the processes, each with an owner and an application's role.

use tokio_postgres::{Client, NoTls};

use super::{Trouble, secrets::Secrets};

/// The databases, in the order of the processes.
pub const NAMES: [&str; 4] = ["pets", "orders", "inventory", "sagas"];

/// How a process reaches its database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DatabaseUrls {
    /// As its owner: migrations, partitions, grants.
    pub owner: String,
    /// As the application, which may do what the migrations granted it.
    pub app: String,
}

/// Connects to the database at `url`, and keeps the connection going in the background.
///
/// # Errors
/// When the server does not let us in.
pub async fn connect(url: &str) -> Result<Client, Trouble> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(Trouble::sql("connecting"))?;
    tokio::spawn(async move {
        // The statement that fails with it tells more than this would.
        let _ended = connection.await;
    });
    Ok(client)
}

/// Makes the database `name` with its two roles, unless they are there, and sets their passwords.
///
/// Its owner owns database and schema; the application may connect, and gets its rights on tables from the owner's
/// migrations. Nobody else may connect.
///
/// # Errors
/// When the administrator at `server` (a URL without a database) may not do that.
pub async fn make(server: &str, name: &str, secrets: &mut Secrets) -> Result<DatabaseUrls, Trouble> {
    let admin = connect(&format!("{server}/postgres")).await?;
    let mut urls = Vec::new();
    for role in [format!("{name}_owner"), format!("{name}_app")] {
        let password = secrets.get(&role)?;
        make_role(&admin, &role, &password).await?;
        urls.push(with_login(server, &role, &password, name)?);
    }
    let known = admin.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await;
    if known.map_err(Trouble::sql("looking for a database"))?.is_none() {
        run(&admin, &format!("CREATE DATABASE {name} OWNER {name}_owner")).await?;
    }
    run(&admin, &format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC")).await?;
    run(&admin, &format!("GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {name}_owner")).await?;
    run(&admin, &format!("GRANT CONNECT ON DATABASE {name} TO {name}_app")).await?;
    let inside = connect(&format!("{server}/{name}")).await?;
    run(&inside, &format!("ALTER SCHEMA public OWNER TO {name}_owner")).await?;
    run(&inside, "REVOKE CREATE ON SCHEMA public FROM PUBLIC").await?;
    let app = urls.pop().unwrap_or_default();
    Ok(DatabaseUrls { owner: urls.pop().unwrap_or_default(), app })
}

/// The version of the PostgreSQL at `server`, a URL without a database ("15.18").
///
/// # Errors
/// When it does not let us in.
pub async fn version(server: &str) -> Result<String, Trouble> {
    let admin = connect(&format!("{server}/postgres")).await?;
    let row = admin.query_one("SELECT current_setting('server_version')", &[]).await;
    let text: String = row.map_err(Trouble::sql("asking for its version"))?.get(0);
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

async fn make_role(admin: &Client, role: &str, password: &str) -> Result<(), Trouble> {
    let known = admin.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role]).await;
    let verb = if known.map_err(Trouble::sql("looking for a role"))?.is_some() { "ALTER" } else { "CREATE" };
    // A password cannot be a bound parameter of this statement; ours is hexadecimal digits alone.
    run(admin, &format!("{verb} ROLE {role} LOGIN PASSWORD '{password}'")).await
}

async fn run(client: &Client, statement: &str) -> Result<(), Trouble> {
    let shown = statement.split(" PASSWORD ").next().unwrap_or_default().to_owned();
    client.batch_execute(statement).await.map_err(Trouble::sql(shown))
}

/// `server`'s URL for another login and a database.
fn with_login(server: &str, role: &str, password: &str, database: &str) -> Result<String, Trouble> {
    let mut url: reqwest::Url = server
        .parse()
        .map_err(|_| Trouble::Unmet("the PostgreSQL URL is not postgres://user:password@host:port".into()))?;
    // Only a URL without a host refuses these.
    let set = url.set_username(role).and_then(|()| url.set_password(Some(password)));
    set.map_err(|()| Trouble::Unmet("the PostgreSQL URL names no host".into()))?;
    url.set_path(database);
    Ok(url.into())
}
