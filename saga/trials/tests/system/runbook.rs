//! The runbook: every command of it, given to a running system in the page's order.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::json;
use tokio::time::timeout;

use crate::command::{program, saga, text, told, word};
use crate::shop::{PATIENCE, Settings, Shop};

/// What succeeds whatever the state of the system is. Of the others some are refused here, since nothing is wrong that they
/// would mend: then they say so.
const SUCCEED: [&str; 12] = [
    "stats",
    "list",
    "parked list",
    "show",
    "topology declare",
    "tap",
    "verify",
    "rebuild",
    "publish",
    "replay log --from first",
    "replay list",
    "replay show",
];

/// A folder for the files that the page's commands read, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn with_pets() -> Self {
        let path = std::env::temp_dir().join(format!("sagaforge-runbook-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let pet = json!({ "pet": "8c5bb3a5-6b0c-5c4e-9a7b-2f0d1c7a5e11", "name": "Miso" }).to_string();
        std::fs::write(path.join("pet.json"), &pet).unwrap();
        std::fs::write(path.join("many.jsonl"), format!("{pet}\n{pet}\n")).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The page's commands, without what is said about them.
fn commands() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.split('#').next());
    lines.filter_map(|line| line.trim().strip_prefix("saga ")).map(str::to_owned).collect()
}

/// Runs a command. One that waits for what passes by is given something: orders, one after the other.
async fn run(shop: &Shop, folder: &Folder, command: &str, pets: &mut impl Iterator<Item = i64>) -> Output {
    let words: Vec<&str> = command.split_whitespace().collect();
    let mut program = program(shop, &words);
    program.current_dir(&folder.0).env("AMQP_URL", shop.servers.amqp_url());
    let running = program.output();
    if !command.starts_with("tap ") {
        return timeout(PATIENCE, running).await.unwrap_or_else(|_| panic!("saga {command} does not end")).unwrap();
    }
    let orders = async {
        for pet in pets {
            saga(shop, &["run", "order", "--pet", &pet.to_string(), "--detach"]).await;
        }
    };
    let output = tokio::select! {
        output = running => output.unwrap(),
        () = orders => panic!("saga {command} has not seen what passed by"),
    };
    // What the next command looks at is not on its way any more.
    shop.settled().await;
    output
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_runbook_does_what_it_says_or_says_why_not() {
    let (shop, folder) = (Shop::open(Settings::default()).await, Folder::with_pets());
    let mut pets = 1..=60;
    for pet in pets.clone() {
        shop.add_pet(pet, 1000).await;
    }
    saga(&shop, &["run", "order", "--pet", &pets.next().unwrap().to_string()]).await;
    shop.settled().await;
    let sagas = told(&shop, &["list"]).await;
    let commands = commands();
    assert!(commands.len() >= 30, "{commands:?}");
    for command in commands {
        let id = if command.starts_with("replay ") {
            told(&shop, &["replay", "list"]).await["replays"][0]["id"].as_str().unwrap_or_default().to_owned()
        } else {
            word(&sagas["sagas"][0], "id").to_owned()
        };
        let output = run(&shop, &folder, &command.replace("$ID", &id), &mut pets).await;
        let (said, error) = (text(&output.stdout), text(&output.stderr));
        assert!(!error.contains("panicked"), "saga {command}: {error}");
        if SUCCEED.iter().any(|prefix| command.starts_with(prefix)) {
            assert_eq!(output.status.code(), Some(0), "saga {command}: {said}{error}");
        } else {
            assert!(matches!(output.status.code(), Some(0 | 1)), "saga {command}: {said}{error}");
        }
        assert!(!said.is_empty() || !error.is_empty(), "saga {command} says nothing");
    }
    shop.close().await;
}
