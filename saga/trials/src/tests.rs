//! The servers that tests run against, and how the tests learn of them.

use std::path::Path;

use crate::screen::Line;
use crate::servers::{
    Endpoints, Stack, Trouble, place::make_dir, programs::Programs, vhosts::Management,
};

/// How many vhosts tests may hold at once. Each costs the broker memory and time at its start.
const VHOSTS: usize = 64;

/// The servers of one run of tests, apart from those of `./dev up`.
#[derive(Debug)]
pub struct TestServers {
    stack: Stack,
}

impl TestServers {
    /// Those of `stack`.
    #[must_use]
    pub fn of(stack: Stack) -> Self {
        Self { stack }
    }

    /// Starts what is missing, makes the pool of vhosts, and gives back the environment of the tests.
    ///
    /// # Errors
    /// When a server cannot be had.
    pub async fn start(&mut self) -> Result<Vec<(&'static str, String)>, Trouble> {
        let line = Line::start("servers", "RabbitMQ and PostgreSQL for tests are starting");
        let (Some(rabbitmq), Some(postgres)) = Programs::below(Path::new("/")) else {
            return Err(Trouble::Unmet(
                "RabbitMQ or PostgreSQL is not installed".into(),
            ));
        };
        let programs = Programs { rabbitmq, postgres };
        let endpoints = self.stack.start(&programs).await?;
        let names: Vec<String> = (0..VHOSTS).map(|n| format!("t{n:03}")).collect();
        let management = Management::at(&endpoints.management)?;
        line.now("making vhosts");
        management.make_vhosts(&names).await?;
        let (broker, database) = (management.version().await?, programs.postgres.version());
        line.done(&format!(
            "RabbitMQ {broker}, PostgreSQL {database} (private, under .dev/{})",
            self.stack.name
        ));
        self.environment(endpoints, &names)
    }

    /// Stops them.
    ///
    /// # Errors
    /// When what runs cannot be written down.
    pub async fn stop(&mut self) -> Result<bool, Trouble> {
        self.stack.stop_servers().await
    }

    fn environment(
        &self,
        servers: Endpoints,
        vhosts: &[String],
    ) -> Result<Vec<(&'static str, String)>, Trouble> {
        let locks = self.stack.dir().join("locks");
        make_dir(&locks, 0o700)?;
        Ok(vec![
            (
                "TEST_POSTGRES_URL",
                format!("{}/postgres", servers.postgres),
            ),
            ("TEST_AMQP_URL", servers.amqp),
            ("TEST_AMQP_VHOSTS", vhosts.join(",")),
            ("TEST_RABBITMQ_MANAGEMENT_URL", servers.management),
            ("TEST_LOCK_DIR", locks.display().to_string()),
        ])
    }
}
