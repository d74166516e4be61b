//! A database of its own for each process under test, with the two roles of a real one.

use reqwest::Url;
use time::Duration;
use tokio_postgres::{Client, NoTls};

use super::environment::as_user;
use super::{Trouble, password};
use crate::{clock, store};

/// How long what is under test remembers.
pub(super) const RETENTION: Duration = Duration::days(30);

/// A fresh, empty database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its name on the server.
    pub name: String,
    /// As its owner: for migrations.
    pub owner_url: String,
    /// As the application, which may only connect until a migration grants it more.
    pub app_url: String,
}

impl Database {
    /// A connection as the owner, for looking at what a process did and for preparing what it meets.
    ///
    /// # Panics
    /// When the server does not let us in.
    pub async fn connect(&self) -> Client {
        connect(&self.owner_url).await.unwrap_or_else(|error| panic!("database {}: {error}", self.name))
    }

    /// Brings its schema up to date, with a process's own `migrations`, and gives a connection as the owner.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn migrate(&self, migrations: &refinery::Runner) -> Client {
        let mut owner = self.connect().await;
        let (role, today) = (format!("{}_app", self.name), clock::now().date());
        let migrated = store::migrate(&mut owner, migrations, &role, today, RETENTION).await;
        migrated.unwrap_or_else(|error| panic!("migrating {}: {error}", self.name));
        owner
    }

    /// Makes the database with its roles; nobody else may connect.
    pub(super) async fn make(server: &Url, name: &str) -> Result<Self, Trouble> {
        let admin = connect(server.as_str()).await?;
        let (owner, app) = (format!("{name}_owner"), format!("{name}_app"));
        let (owner_password, app_password) = (password(), password());
        let roles = format!(
            "CREATE ROLE {owner} LOGIN PASSWORD '{owner_password}'; CREATE ROLE {app} LOGIN PASSWORD '{app_password}'"
        );
        admin.batch_execute(&roles).await?;
        // Copying files is faster here than writing the copy to the log (60 to 80 ms against 130).
        let create = format!("CREATE DATABASE {name} OWNER {owner} TEMPLATE template0 STRATEGY file_copy");
        admin.batch_execute(&create).await?;
        let rights = format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {app}");
        admin.batch_execute(&rights).await?;
        // The schema `public` belongs to `pg_database_owner`: whoever owns the database.
        Ok(Self {
            name: name.to_owned(),
            owner_url: as_user(server, &owner, &owner_password, name)?,
            app_url: as_user(server, &app, &app_password, name)?,
        })
    }
}

/// Drops the databases and roles whose names start with `prefix`, whoever is connected.
pub(super) async fn drop_all(server: &Url, prefix: &str) -> Result<(), Trouble> {
    let admin = connect(server.as_str()).await?;
    let databases = admin.query("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", &[&prefix]).await?;
    for row in databases {
        let name: &str = row.get(0);
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    }
    let roles = admin.query("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", &[&prefix]).await?;
    for row in roles {
        let name: &str = row.get(0);
        admin.batch_execute(&format!("DROP ROLE IF EXISTS {name}")).await?;
    }
    Ok(())
}

async fn connect(url: &str) -> Result<Client, Trouble> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a test's connection to PostgreSQL ended");
        }
    });
    Ok(client)
}
