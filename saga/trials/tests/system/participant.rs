//! The participant in Python of docs/participants.md, in inventory-service's place.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use saga_core::{Ids, Message, Route};
use saga_runtime::testing::{SALT, eventually};
use saga_trials::replayed::{Stored, publish};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::shop::{PATIENCE, Settings, Shop, count, order};

pub(crate) const PACKAGES: [&str; 2] = ["pika==1.3.2", "uuid-forge==0.1.1"];
/// Set to anything, a registry out of reach fails the test instead of being reported.
const REQUIRED: &str = "REQUIRE_PYTHON_PARTICIPANT";
const TIMES: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_participant_in_python_takes_over_the_steps_of_inventory_service() {
    let python = match install() {
        Ok(python) => python,
        Err(reason) => {
            let test = "a_participant_in_python_takes_over_the_steps_of_inventory_service";
            return report_not_run(test, &PACKAGES.join(" and "), &reason);
        }
    };
    let mut shop = Shop::closed(Settings::default()).await;
    for name in ["pet-service", "order-service", "saga"] {
        shop.start(name).await;
    }
    shop.add_pet(1, 1000).await;
    shop.add_pet(2, 1000).await;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.sqlite", shop.servers.vhost()));
    let mut warehouse = warehouse(&python, &shop, &file);
    let placed = shop.place("python-1", &order(1, "ada", &[("FOOD", 2)])).await;
    let refused = shop.place("python-2", &order(2, "bob", &[("FOOD", 900)])).await;
    assert_eq!((placed.status.as_u16(), placed.text("total")), (200, "1200".to_owned()), "{placed:?}");
    assert_eq!((refused.status.as_u16(), refused.text("reason")), (422, "out_of_stock".to_owned()), "{refused:?}");
    let ended = "SELECT count(*) FROM sagas WHERE phase IN ('completed', 'rejected')";
    eventually("both sagas end", PATIENCE, async || count(&shop.databases.sagas, ended).await == 2).await;
    assert_eq!((shop.pet_status(1).await, shop.pet_status(2).await), ("sold".to_owned(), "available".to_owned()));
    let reserved = reserved(&shop).await;
    assert_ids_are_ours(&shop, &reserved).await;
    let units = read_stock(&python, &file).await;
    assert_eq!(units, "3");
    ask_again(&shop, &reserved).await;
    assert_eq!(read_stock(&python, &file).await, units, "asked {TIMES} times more, it did nothing more");
    warehouse.kill().await.unwrap();
    fs::remove_file(file).unwrap();
    shop.close().await;
}

fn warehouse(python: &Path, shop: &Shop, file: &Path) -> Child {
    Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/participants/warehouse.py"))
        .arg(file)
        .arg("FOOD=5")
        .env("AMQP_URL", shop.servers.amqp_url())
        .env("UUID_FORGE_SALT", SALT)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The requests that it was asked with, as pet-service stored them.
async fn reserved(shop: &Shop) -> Vec<Message> {
    let rows = shop.databases.pets.query("SELECT body FROM journal WHERE type = 'PET_RESERVED'", &[]).await.unwrap();
    assert_eq!(rows.len(), 2);
    rows.iter().map(|row| Message::parse(row.get(0)).unwrap()).collect()
}

/// The orchestrator got the answers under the ids that any process computes for them.
async fn assert_ids_are_ours(shop: &Shop, reserved: &[Message]) {
    let salt = idforge::Salt::new(SALT).unwrap();
    let ids = Ids::new(&salt, saga_contract::DEFAULT_DOMAIN);
    let mut heard = 0;
    for (request, kind) in reserved.iter().flat_map(|r| [(r, "INVENTORY_RESERVED"), (r, "INVENTORY_REFUSED")]) {
        let id: Uuid = ids.event_caused(request.id, kind);
        let inbox = "SELECT count(*) FROM inbox WHERE id = $1 AND type = $2";
        heard += shop.databases.sagas.query_one(inbox, &[&id, &kind]).await.unwrap().get::<_, i64>(0);
    }
    assert_eq!(heard, 2, "one yes and one no");
}

/// Puts its requests into its queue again and waits until the orchestrator has met the answers again.
async fn ask_again(shop: &Shop, reserved: &[Message]) {
    let before = duplicates(shop).await;
    let route = Route::to_queue("inventory.pet-events");
    let again = |message: &Message| Stored { route: route.clone(), takers: 1, body: message.to_bytes() };
    let mut again: Vec<Stored> =
        reserved.iter().flat_map(|message| std::iter::repeat_n(again(message), TIMES)).collect();
    let answers = before + (again.len() + reserved.len()) as f64;
    // And once more as our processes send what goes the same way at the same time.
    let bodies: Vec<Vec<u8>> = reserved.iter().map(Message::to_bytes).collect();
    again.push(Stored { route: route.clone(), takers: 1, body: [&b"["[..], &bodies.join(&b','), b"]"].concat() });
    publish(shop.servers.amqp_url(), &again.iter().collect::<Vec<_>>()).await.unwrap();
    eventually("every answer comes again", PATIENCE, async || duplicates(shop).await >= answers).await;
}

async fn duplicates(shop: &Shop) -> f64 {
    shop.metric("saga", "inbox_duplicates_total").await.unwrap()
}

async fn read_stock(python: &Path, file: &Path) -> String {
    let ask = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(\"SELECT units FROM stock WHERE sku = 'FOOD'\").fetchone()[0])";
    let output = Command::new(python).args(["-c", ask]).arg(file).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A Python with the packages, made once and kept in the target directory.
pub(crate) fn install() -> Result<PathBuf, String> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("participant");
    let python = environment.join("bin/python");
    let usable = |python: &Path| run(std::process::Command::new(python).args(["-c", "import pika, uuid_forge"]));
    if usable(&python).is_ok() {
        return Ok(python);
    }
    if environment.exists() {
        fs::remove_dir_all(&environment).map_err(|error| error.to_string())?;
    }
    run(std::process::Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(std::process::Command::new(&python).args(pip).args(PACKAGES))?;
    usable(&python).map(|()| python)
}

fn run(command: &mut std::process::Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

/// Says it past the test harness; `./dev test` names at its end what stands in its file.
pub(crate) fn report_not_run(test: &str, what: &str, reason: &str) {
    let line = format!("{test}: {what} could not be installed");
    assert!(std::env::var_os(REQUIRED).is_none(), "{line}: {reason}");
    let message = format!("\n*** NOT RUN: {line}; {REQUIRED}=1 makes this a failure ***\n{reason}\n");
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    if let Some(file) = std::env::var_os("TEST_NOT_RUN_FILE") {
        fs::OpenOptions::new().append(true).open(file).unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
