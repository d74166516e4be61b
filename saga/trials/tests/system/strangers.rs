//! Clients that know nothing of us: Debian's amqp-tools, and pika with a dead-letter queue of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use saga_contract::{DEFAULT_DOMAIN, Names};
use saga_core::Message;
use saga_runtime::testing::{SALT, eventually};
use saga_trials::servers::Place;
use saga_trials::servers::apt::{Suite, root_of, unpack};
use serde_json::json;
use tokio::process::Command;

use crate::command::text;
use crate::participant::{PACKAGES, install, report_not_run};
use crate::replays::{Theirs, replayed};
use crate::shop::{PATIENCE, Settings, Shop, count};

/// Another team's client: its consumer refuses everything for good, so the broker dead-letters it.
const REFUSE: &str = "
import json, os, pika
channel = pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL'])).channel()
quorum = {'x-queue-type': 'quorum'}
channel.queue_declare('team.dead', durable=True, arguments=quorum)
dead = {'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'team.dead'}
channel.queue_declare('team.work', durable=True, arguments={**quorum, **dead})
channel.confirm_delivery()
for n in range(12):
    properties = pika.BasicProperties(type='EVEN' if n % 2 == 0 else 'ODD', delivery_mode=2)
    channel.basic_publish('', 'team.work', json.dumps({'n': n}), properties, mandatory=True)
for delivery, _, _ in channel.consume('team.work'):
    channel.basic_reject(delivery.delivery_tag, requeue=False)
    if delivery.delivery_tag == 12:
        break
channel.cancel()
channel.connection.close()
";

/// Takes all of it, in order.
const TAKE: &str = "
import json, os, pika
channel = pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL'])).channel()
taken = []
while True:
    delivery, properties, body = channel.basic_get('team.work', auto_ack=True)
    if delivery is None:
        break
    taken.append(json.loads(body)['n'])
print(json.dumps(taken))
channel.connection.close()
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_teams_own_dead_letter_queue_goes_back_to_its_queue_in_order() {
    let python = match install() {
        Ok(python) => python,
        Err(reason) => {
            let test = "a_teams_own_dead_letter_queue_goes_back_to_its_queue_in_order";
            return report_not_run(test, &PACKAGES.join(" and "), &reason);
        }
    };
    let shop = Shop::open(Settings::default()).await;
    run(&python, &["-c", REFUSE], &shop).await;
    // RabbitMQ has set all of it aside.
    let theirs = Theirs::declare(&shop, &[]).await;
    theirs.holds("team.dead", 12).await;
    let looked = replayed(&shop, "team.dead", &["--dry-run"]).await;
    assert_eq!(looked["replay"]["total"], 12, "{looked}");
    theirs.holds("team.dead", 12).await;
    let even = replayed(&shop, "team.dead", &["--where", "type=EVEN", "--rate", "50"]).await;
    assert_eq!((&even["replay"]["done"], &even["replay"]["skipped"]), (&json!(6), &json!(6)), "{even}");
    assert_eq!(run(&python, &["-c", TAKE], &shop).await.trim(), "[0, 2, 4, 6, 8, 10]");
    theirs.holds("team.dead", 6).await;
    let rest = replayed(&shop, "team.dead", &[]).await;
    assert_eq!((&rest["replay"]["total"], &rest["replay"]["done"]), (&json!(6), &json!(6)), "{rest}");
    assert_eq!(run(&python, &["-c", TAKE], &shop).await.trim(), "[1, 3, 5, 7, 9, 11]");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_amqp_tools_publish_is_taken_like_our_own_and_our_events_are_read_by_them() {
    let tools = match amqp_tools() {
        Ok(tools) => tools,
        Err(reason) => {
            let test = "what_amqp_tools_publish_is_taken_like_our_own_and_our_events_are_read_by_them";
            return report_not_run(test, "amqp-tools", &reason);
        }
    };
    let shop = Shop::open(Settings::default()).await;
    let url = shop.servers.amqp_url();
    let pet = Names::new(&idforge::Salt::new(SALT).unwrap(), DEFAULT_DOMAIN).pet(7.try_into().unwrap());
    let now = saga_runtime::clock::now().format(&time::format_description::well_known::Rfc3339).unwrap();
    let body = json!({
        "specversion": "1.0", "id": "11111111-1111-5111-8111-111111111111", "source": "a-stranger", "type": "PET_CREATED",
        "subject": pet, "time": now, "aggregateversion": 1,
        "data": {"pet": pet, "petId": 7, "name": "Miso", "status": "available", "price": {"amount": 1, "currency": "EUR"}},
    });
    let publish = ["-u", url, "-e", "pet.events", "-r", "pet.created", "-p", "-b", &body.to_string()];
    run(&tools.join("amqp-publish"), &publish, &shop).await;
    let counted = "SELECT count(*) FROM pets WHERE status = 'available'";
    eventually("the read model counts it", PATIENCE, async || count(&shop.databases.inventory, counted).await == 1)
        .await;

    let consume = ["-u", url, "-e", "pet.events", "-r", "pet.created", "-c", "1", "cat"];
    let mut reader = command(&tools.join("amqp-consume"), &consume, &shop).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = reader.stdout.take().unwrap();
    let mut pet = 8;
    eventually("amqp-consume has read an event", PATIENCE * 2, async || {
        // It binds its queue some time after it starts.
        shop.add_pet(pet, 100).await;
        pet += 1;
        reader.try_wait().unwrap()
    })
    .await;
    let mut read = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut out, &mut read).await.unwrap();
    let message = Message::parse(&read).unwrap();
    assert_eq!((message.kind.as_str(), message.source.as_str()), ("PET_CREATED", "pet-service"));
    shop.close().await;
}

/// Where amqp-tools are: on the machine, or unpacked from Debian's packages.
fn amqp_tools() -> Result<PathBuf, String> {
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    if let Some(found) = on_path.into_iter().find(|folder| folder.join("amqp-publish").is_file()) {
        return Ok(found);
    }
    let place = Place::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).map_err(|error| error.to_string())?;
    let tools = root_of(&place, Suite::Machine, "amqp-tools").join("usr/bin");
    if !tools.join("amqp-publish").is_file() {
        unpack(&place, Suite::Machine, &["amqp-tools"]).map_err(|error| error.to_string())?;
    }
    Ok(tools)
}

fn command(program: &Path, arguments: &[&str], shop: &Shop) -> Command {
    let mut command = Command::new(program);
    // The library lies beside the tools where both were unpacked.
    let libraries = program.ancestors().nth(2).unwrap().join("lib").join("x86_64-linux-gnu");
    command.args(arguments).env("AMQP_URL", shop.servers.amqp_url()).env("LD_LIBRARY_PATH", libraries);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn run(program: &Path, arguments: &[&str], shop: &Shop) -> String {
    let output = command(program, arguments, shop).output().await.unwrap();
    assert!(output.status.success(), "{}: {}", program.display(), text(&output.stderr));
    text(&output.stdout)
}
